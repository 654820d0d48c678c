"""What the rest of webtext sees of an engine."""

import dataclasses
from collections.abc import Mapping
from typing import Protocol

Options = Mapping[str, str | int | float | bool | list[str] | None]
"""Pipeline options of Beam, by name."""


class Engine(Protocol):
    """Something that runs pipelines."""

    def options(self) -> Options:
        """What Beam must be told to use it. Waits until it can be used; raises UserError where it never will."""
        ...

    def obituary(self, *, interrupted: bool) -> str | None:
        """A sentence for the user on how it came to its end, or None while it lives.

        interrupted: whether it is asked for a KeyboardInterrupt, which is raised in the main thread also where an
        engine has died and nobody has noticed.
        """
        ...


@dataclasses.dataclass(frozen=True)
class NoEngine:
    """For runners that are this process, or a service: Beam is told what the config says."""

    given: Options

    def options(self) -> Options:
        """The config's."""
        return self.given

    def obituary(self, *, interrupted: bool) -> str | None:  # noqa: ARG002
        """It never dies."""
        return None

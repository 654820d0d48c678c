"""What an archive on the web is to a search."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from pipeline.fetch.fallbacks.desk import Desk
from pipeline.fetch.fallbacks.held import Held
from pipeline.fetch.fallbacks.taken import Taken
from pipeline.ledger import Ending

Ask = Callable[[str, Callable[[], Awaitable[list[Held] | Ending]]], Awaitable[list[Held] | Ending]]
"""A question to an index, and how it is asked if it has not been answered yet."""


class Archive(Protocol):
    """An archive on the web."""

    @property
    def name(self) -> str:
        """What it is called in configs, and in the page index as the source of its pages."""
        ...

    @property
    def at_once(self) -> int:
        """Links that are looked for at the same time."""
        ...

    @property
    def seconds_a_link(self) -> float:
        """At its pace, a link takes at least so long."""
        ...

    @property
    def desks(self) -> Sequence[Desk]:
        """Its hosts."""
        ...

    async def begin(self, known: Any) -> Any:
        """Learn what it must know before all else. known: what an earlier run learned, None where none did.

        Returns what is worth keeping for later runs, None where that is nothing new.
        """
        ...

    async def look_ahead(self, addresses: Sequence[str]) -> None:
        """Make ready for questions about addresses (normalised): of all links that are brought on now."""
        ...

    async def captures(self, url: str, at: int | None, ask: Ask) -> list[Held] | Ending:
        """What it holds of an address (normalised), those nearest to a moment at least; an Ending when it cannot say.

        ask: puts a question to its index, or finds the answer that was given before.
        """
        ...

    async def take(self, held: Held) -> Taken | Ending:
        """One of those captures."""
        ...

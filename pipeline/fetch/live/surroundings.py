"""What a crawl needs of the world beside the web: what a test, or another caller, may put in its place."""

import dataclasses
import ssl
from collections.abc import Callable

from pipeline.fetch.live.resolving import LookUp, system_look_up
from pipeline.ledger import Ending

Refuse = Callable[[str], Ending | None]
"""How a link ends whose redirect leads to a (normalised) address, or None when it may lead there."""

Owns = Callable[[str], bool]
"""Whether a host belongs to this shard."""


def everything(_: str) -> bool:
    """Every host belongs to the shard: it is the only one."""
    return True


def never() -> bool:
    """Go on to the end."""
    return False


def anywhere(_: str) -> Ending | None:
    """Redirects may lead to every address."""
    return None


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """Rules and powers from outside."""

    refuse: Refuse = anywhere
    owns: Owns = everything
    look_up: LookUp = system_look_up
    stopping: Callable[[], bool] = never
    """Asked twice a second whether to stop."""
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context


DEFAULT = Surroundings()

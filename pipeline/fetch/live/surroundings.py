"""What a crawl needs of the world beside the web: what a test, or another caller, may put in its place."""

import dataclasses
import resource
import ssl
from collections.abc import Callable

from pipeline.fetch.live.resolving import LookUp, system_look_up
from pipeline.ledger import Ending

MOST_FILES = 16_384

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


def attainable_files(hard: int) -> int:
    """How many files a process may have open that asks for as many as the system gives. hard: the system's limit."""
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)


def allowed_files() -> int:
    """How many files and connections this process may have open, after asking the system for as many as it gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = attainable_files(hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """Rules and powers from outside."""

    refuse: Refuse = anywhere
    owns: Owns = everything
    look_up: LookUp = system_look_up
    stopping: Callable[[], bool] = never
    """Asked twice a second whether to stop."""
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    open_files: Callable[[], int] = allowed_files
    """Half of them may be connections that are kept open; hosts beyond that get a new one for each request."""


DEFAULT = Surroundings()

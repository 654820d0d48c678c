"""What a user decides of fetching, as plain values."""

import dataclasses
import functools

from pipeline.fetch.live.politeness import DEFAULT_MANNERS, Manners
from pipeline.fetch.live.robots import TOKEN


@dataclasses.dataclass(frozen=True)
class FetchRules:
    """How pages are fetched."""

    contact: str
    """Who is to be asked about it: stands in every request."""
    manners: Manners = DEFAULT_MANNERS
    concurrency: int = 128
    """Requests in flight, all hosts together."""
    deadline_seconds: float = 30.0
    """One link, everything included but waiting."""
    max_bytes: int = 10 * 1024 * 1024
    """The largest page, as it comes and when it is inflated."""
    honour_opt_out: bool = True
    opt_out_files: tuple[str, ...] = ()
    """Names of files (`reservations.PATHS`) that each site is asked for, while `honour_opt_out`."""
    also_obey: tuple[str, ...] = ()
    """Other crawlers' names whose rules in robots.txt hold for us too."""
    allow_networks: tuple[str, ...] = ()
    """Address ranges that may be reached though they are not of the public internet."""

    @functools.cached_property
    def tokens(self) -> tuple[str, ...]:
        """The names under which robots.txt and headers speak to us, in lower case."""
        return TOKEN, *(token.lower() for token in self.also_obey)

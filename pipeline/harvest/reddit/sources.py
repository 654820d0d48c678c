"""What may be asked of Reddit: the listings of subreddits and of domains."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from praw.endpoints import API_PATH

PAGE_POSTS = 100
"""The most that Reddit gives in one answer."""
LISTED_POSTS = 1000
"""About the most that Reddit gives of one listing, page after page."""


class Source(NamedTuple):
    """A subreddit (`all` and `a+b` are subreddits too) or a domain."""

    kind: Literal["subreddit", "domain"]
    name: str

    def __str__(self) -> str:
        return f"r/{self.name}" if self.kind == "subreddit" else self.name

    def path(self, listing: str) -> str:
        """Where the API has a listing of it."""
        folder: str = API_PATH["subreddit" if self.kind == "subreddit" else "domain"]
        return folder.format(**{self.kind: self.name}) + listing


def sources(subreddits: Iterable[str], domains: Iterable[str]) -> Iterator[Source]:
    """Each subreddit and each domain once, in the order given; subreddits' names are the same in any case."""
    seen = set()
    for source in [*(Source("subreddit", name) for name in subreddits), *(Source("domain", name) for name in domains)]:
        key = str(source).lower()
        if key not in seen:
            seen.add(key)
            yield source

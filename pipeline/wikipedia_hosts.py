"""Is an address one of Wikipedia's? Told by the address alone; what only the page can tell is another stage's work."""

import functools
from typing import NamedTuple

from pipeline import urls, word_lists

_LIST = "wikipedia_hosts.txt"
_NAME = "wikipedia.org"


class _Hosts(NamedTuple):
    whole: frozenset[str]
    """These hosts and all below them."""
    parts: dict[str, tuple[str, ...]]
    """Of these hosts only paths that begin so, in lower case."""
    carriers: frozenset[str]
    """These show other sites' pages."""


def is_wikipedia(normalised: str) -> bool:
    """Whether a normalised address is Wikipedia's or a known mirror's.

    All languages count, mobile and zero-rated hosts, readers, copies, forks of the whole, caches and translators.
    Use it on the address that was posted and on the one that answered, after redirects.
    """
    hosts = _hosts()
    for name in urls.with_parents(urls.host(normalised)):
        if name in hosts.whole:
            return True
        if name in hosts.parts and f"{urls.path(normalised).lower()}/".startswith(hosts.parts[name]):
            return True
        if name in hosts.carriers and _NAME in normalised.partition("://")[2].partition("/")[2].lower():
            return True
    return False


@functools.cache
def _hosts() -> _Hosts:
    whole, carriers = set(), set()
    parts: dict[str, tuple[str, ...]] = {}
    for entry in word_lists.packaged("pipeline", _LIST):
        host, slash, path = entry.partition("/")
        if not slash:
            whole.add(host)
        elif path == "*":
            carriers.add(host)
        else:
            parts[host] = (*parts.get(host, ()), f"/{path}")
    return _Hosts(frozenset(whole), parts, frozenset(carriers))

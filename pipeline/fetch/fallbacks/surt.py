"""Where hosts stand in an index that is sorted by reversed names, as Common Crawl's is: `com,example)/page`.

The key follows the Sort-friendly URI Reordering Transform of Heritrix and pywb; of that, only the host matters here.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable

from pipeline import urls

_WWW = re.compile(r"^www\d*\.")
_HOST_END = re.compile(r"[:)]")


def host_key(url: str) -> str:
    """What the keys of a host's addresses begin with: its labels from the last to the first, `www.` taken away."""
    host = _WWW.sub("", urls.host(url).removesuffix("."))
    return ",".join(reversed(host.split(".")))


class HostKeys:
    """The hosts of some addresses (normalised)."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._sorted = sorted({host_key(address) for address in addresses})
        self._all = frozenset(self._sorted)

    def any_between(self, lowest: str, highest: str) -> bool:
        """Whether a part of an index between two keys may hold an address of one of them."""
        first = bisect_left(self._sorted, lowest)
        if first < len(self._sorted) and self._sorted[first] <= highest:
            return True
        # The keys of a host come after the host's own: the lowest may be one of them.
        labels = _HOST_END.split(lowest, maxsplit=1)[0].split(",")
        return any(",".join(labels[:count]) in self._all for count in range(1, len(labels) + 1))

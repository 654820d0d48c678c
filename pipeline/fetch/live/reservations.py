"""Files in which a site says that it must not train models: what they say of an address.

`/.well-known/tdmrep.json` is the TDM Reservation Protocol's (W3C community group, final report of 2024): a list of
locations, patterns as in robots.txt, each with `tdm-reservation` 1 or 0. `/ai.txt` is Spawning's: the grammar of
robots.txt, over kinds of files (`Disallow: *.txt`) as much as over paths. Only what forbids counts: an allowing line
does not lift what a header, a `<meta>` or robots.txt forbids.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import orjson

from pipeline.fetch.live import robots
from pipeline.fetch.live.robots import ALLOW_ALL, Robots
from pipeline.ledger import Ending, Reason, dropped

TDMREP = "tdmrep.json"
AI = "ai.txt"
PATHS = {TDMREP: "/.well-known/tdmrep.json", AI: "/ai.txt"}
MAX_RULES = 500
"""Locations of a tdmrep.json that are read."""
MAX_AI_BYTES = 16 * 1024
"""What is read of an ai.txt; those that Spawning's generator makes have up to 2 kB."""

_LONGEST = 1_000
_TEXTS = ("/.txt", "/.html")
"""Of an ai.txt: where these may not be fetched, text or web pages may not, whatever their addresses end in."""


@dataclasses.dataclass(frozen=True)
class Reservation:
    """What a file says, as a robots.txt says it. beside: paths that must be open too."""

    file: str = ""
    said: Robots = ALLOW_ALL
    beside: tuple[str, ...] = ()

    def ending(self, url: str) -> Ending | None:
        """How a link ends that leads to a (normalised) address, or None when nothing is said against it."""
        if self.said.ending(url) is not None:
            return dropped(Reason.OPT_OUT, self.file)
        for path in self.beside:
            if self.said.ending(_at(url, path)) is not None:
                return dropped(Reason.OPT_OUT, f"{self.file}: *{path[1:]}")
        return None


NOTHING = Reservation()


def _at(url: str, path: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}{path}"


def parse(file: str, body: bytes, tokens: Sequence[str]) -> Reservation:
    """Read a file; whatever it is, it raises nothing. One that makes no sense says nothing.

    body: inflated. tokens: names under which we are addressed, in lower case.
    """
    if file == TDMREP:
        lines = list(_lines(body))
        forbids = any(line.startswith("Disallow") for line in lines)
        text = "\n".join(["User-agent: *", *lines])
        return Reservation(TDMREP, robots.parse(text.encode(), tokens)) if forbids else NOTHING
    if body.lstrip()[:1] == b"<":  # a page, where there is no such file
        return NOTHING
    said = robots.parse(body[:MAX_AI_BYTES], tokens)
    speaks = any(group.size or group.signals for group in said.groups)
    return Reservation(AI, said, _TEXTS) if speaks else NOTHING


def _lines(body: bytes) -> Iterator[str]:
    """A tdmrep.json as lines of a robots.txt. Its patterns are the same: the longest that fits decides."""
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    if isinstance(entries, dict):
        entries = [entries]
    for entry in entries[:MAX_RULES] if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        location, reserved = entry.get("location"), str(entry.get("tdm-reservation"))
        if (
            isinstance(location, str)
            and location.isprintable()
            and len(location) <= _LONGEST
            and reserved in ("0", "1")
        ):
            field = "Disallow" if reserved == "1" else "Allow"
            yield f"{field}: {location if location.startswith(('/', '*')) else f'/{location}'}"

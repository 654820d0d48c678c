"""What a site's robots.txt says to us (RFC 9309): what it keeps for itself, and how slowly it wants to be read.

Which group of lines speaks to us is found here, by the product token alone; the rules in it are matched by protego.
Status codes, redirects, size and age are what protego leaves to its caller. Beyond the RFC, `Crawl-delay`,
`Request-rate` and the words against training of contentsignals.org and of the IETF's AIPREF drafts are read.
"""

import dataclasses
import enum
import functools
import re
from collections.abc import Iterable, Iterator, Sequence

from protego import Protego

from pipeline import urls
from pipeline.ledger import Ending, Reason, dropped
from pipeline.opt_out import opted_out

TOKEN = "webtext"  # noqa: S105 - the name under which we are addressed, as the RFC calls it
MAX_BYTES = 500 * 1024
"""What is read of a file; the RFC asks for at least that much."""
MAX_REDIRECTS = 5
KEPT_SECONDS = 24 * 3600
"""How long a file may be believed."""
HEAVY_RULES = 1000
"""From so many rules on, matching may take milliseconds: not on a thread that others wait for."""

_EVERYONE = "*"
_MAX_LINE = 16 * 1024
_BROKEN_MARK = "\ufeff\ufffd"
"""A byte order mark, whole or in part."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_PRODUCT = re.compile(r"[A-Za-z_-]+")
_AGENT_FIELDS = frozenset({"user-agent", "useragent", "user agent"})
_SIGNAL_FIELDS = frozenset({"content-signal", "content-usage"})
_RULE_FIELDS = {
    "allow": "Allow",
    **dict.fromkeys(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), "Disallow"),
    **dict.fromkeys(("crawl-delay", "crawl delay", "crawldelay"), "Crawl-delay"),
    **dict.fromkeys(("request-rate", "request rate"), "Request-rate"),
}


class Standing(enum.Enum):
    """What a status code says of a robots.txt."""

    PRESENT = "present"
    """It is to be read."""
    ABSENT = "absent"
    """There is none, so everything may be fetched."""
    UNREACHABLE = "unreachable"
    """The server is in trouble, so nothing may be fetched for now."""


def standing(status: int) -> Standing:
    """By the final answer's status. 429 counts as trouble, as at Google and Nutch: it asks to come back later."""
    if 200 <= status < 300:
        return Standing.PRESENT
    if status == 429 or status >= 500:
        return Standing.UNREACHABLE
    return Standing.ABSENT


@dataclasses.dataclass(frozen=True)
class Group:
    """The lines that speak to one token."""

    rules: Protego
    size: int
    """How many rules it has."""
    signals: tuple[tuple[str, str, str], ...] = ()
    """(path, header, value): words on use, the path empty where they hold for the whole site."""


@dataclasses.dataclass(frozen=True)
class Robots:
    """A site's word for our token and for those that we obey beside it."""

    groups: tuple[Group, ...] = ()
    crawl_delay: float | None = None
    """Seconds between two requests: the longest that a group asks for."""
    tokens: tuple[str, ...] = (TOKEN,)

    @functools.cached_property
    def heavy(self) -> bool:
        """Whether asking it may take milliseconds."""
        return sum(group.size for group in self.groups) > HEAVY_RULES

    def ending(self, url: str, *, honour_opt_out: bool = True) -> Ending | None:
        """How a link ends that leads to a (normalised) address, or None when it may be fetched."""
        if not all(group.rules.can_fetch(url, _EVERYONE) for group in self.groups):
            return dropped(Reason.ROBOTS)
        if honour_opt_out:
            for group in self.groups:
                signal = opted_out(dict(_nearest(group.signals, url)), (), self.tokens)
                if signal:
                    return dropped(Reason.OPT_OUT, f"robots.txt {signal.removeprefix('header ')}")
        return None


ALLOW_ALL = Robots()


def parse(body: bytes, tokens: Sequence[str] = (TOKEN,)) -> Robots:
    """Read a robots.txt; whatever it is, it raises nothing.

    body: inflated; what is behind MAX_BYTES does not count. tokens: product tokens, in lower case, whose rules all hold
    for us: our own, and those that we obey beside it.
    """
    lines = list(_directives(_text(body[:MAX_BYTES])))
    named = set(_agents(lines))
    groups = tuple(_group(_lines_for(each, lines)) for each in {t if t in named else _EVERYONE: t for t in tokens})
    delays = [delay for group in groups for delay in _delays(group.rules)]
    return Robots(groups, max(delays, default=None), tuple(tokens))


def _text(body: bytes) -> str:
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace").replace("\0", "")
    return body.decode("utf-8", "replace").lstrip(_BROKEN_MARK).replace("\0", "")


def _directives(text: str) -> Iterator[tuple[str, str]]:
    """(field in lower case, value) of the lines that have them; a space may stand for a forgotten colon."""
    for line in _LINE_END.split(text):
        content = line[:_MAX_LINE].partition("#")[0].strip()
        field, colon, value = content.partition(":")
        field = field.strip().lower()
        if not colon or field not in _AGENT_FIELDS | _SIGNAL_FIELDS | _RULE_FIELDS.keys():
            words = content.split()
            if len(words) == 2 and not words[0].endswith(":"):
                field, value = words[0].lower(), words[1]
        if field:
            yield field, value.strip()


def _agents(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    for field, value in lines:
        if field in _AGENT_FIELDS:
            yield _product(value)


def _product(value: str) -> str:
    """The token that an agent line names: `WebText/1.0 (comment)` is webtext."""
    if value == _EVERYONE or value.startswith("* "):
        return _EVERYONE
    match = _PRODUCT.match(value)
    return match[0].lower() if match else ""


def _lines_for(token: str, lines: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The lines of all groups that name a token. A group is one or more agent lines and the rules behind them."""
    speaks_to_us, in_agents = False, False
    for field, value in lines:
        if field in _AGENT_FIELDS:
            ours = _product(value) == token
            speaks_to_us = ours or (speaks_to_us and in_agents)
            in_agents = True
        elif field in _RULE_FIELDS or field in _SIGNAL_FIELDS:
            in_agents = False
            if speaks_to_us:
                yield field, value


def _group(lines: Iterable[tuple[str, str]]) -> Group:
    rules: dict[str, None] = {}
    signals: list[tuple[str, str, str]] = []
    for field, value in lines:
        if field in _RULE_FIELDS:
            rules[f"{_RULE_FIELDS[field]}: {value}"] = None
            continue
        path, _, rest = value.partition(" ")
        signals.append((path, field, rest) if path.startswith("/") else ("", field, value))
    return Group(Protego.parse("\n".join([f"User-agent: {_EVERYONE}", *rules])), len(rules), tuple(signals))


def _delays(rules: Protego) -> Iterator[float]:
    delay, rate = rules.crawl_delay(_EVERYONE), rules.request_rate(_EVERYONE)
    if delay is not None:
        yield delay
    if rate is not None:
        yield rate.seconds / rate.requests


def _nearest(signals: Iterable[tuple[str, str, str]], url: str) -> Iterator[tuple[str, str]]:
    """Of each kind of signal the value of the longest path that the address begins with."""
    path = urls.path(url)
    fitting = sorted((each for each in signals if path.startswith(each[0])), key=lambda each: len(each[0]))
    for _, field, value in fitting:
        yield field, value

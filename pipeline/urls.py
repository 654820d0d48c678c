"""Addresses: one spelling for each, one key for all spellings of the same page, and the domain that answers for it.

Parsing is WHATWG's (https://url.spec.whatwg.org/) through ada, so what a browser opens is accepted and spelt as a
browser spells it. Registrable domains follow the public suffix list (https://publicsuffix.org/), its ICANN part, from
the snapshot that tldextract carries: no network, no cache on disk.
"""

import functools
import hashlib
import re

import ada_url

from pipeline import word_lists

MAX_LENGTH = 8192
"""Characters, before and after normalising. Servers refuse request lines of about this length."""

_TRACKING_LIST = "tracking_parameters.txt"
# Reddit escapes &, < and > in JSON, some posts twice. Only whole entities: `&copy=1` is a parameter.
_ENTITY = re.compile(r"&(?:amp;)*(amp|lt|gt|quot|#39|#x27);", re.IGNORECASE)
_ENTITY_CHARACTER = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "#39": "'", "#x27": "'"}
_DROPPED_BY_WHATWG = re.compile(r"[\t\n\r]+")
# Addresses that any WHATWG parser returns as they are: half the time of reading a dump went into parsing these. What a
# parser might change is left out: percent signs and dots after slashes in paths, capitals, xn-- and numbers in hosts.
_PLAIN = re.compile(
    r"https?://(?:(?!xn--)[a-z0-9_-]++\.)+(?!xn--)[a-z]++(?:/(?!\.)[A-Za-z0-9_~!$()*+,;:@=.-]*+)+"
    r"(\?[A-Za-z0-9_~!$()*+,;:@=.?&%/-]*+)?"
)
# What a name server can be asked for; WHATWG also lets pass hosts such as `a&b`, at which no page lies.
_ASKABLE_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
_ONLY_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")


def normalise(url: str) -> str | None:
    """The one spelling of an http or https address, in ASCII; None for anything that is not one, or is too long.

    Undone: HTML entities, white space around, credentials, fragment, default port, tracking parameters, empty query.
    Kept: scheme, `www.`, trailing slash, order of parameters, mobile hosts, since the page may differ; `link_key`
    merges those that only rarely differ. Hosts that no name server can be asked for (`a&b`) are refused.
    normalise(normalise(x)) == normalise(x). Raises nothing for any str.
    """
    if len(url) > MAX_LENGTH:
        return None
    if not url.isascii():
        url = _scalar_values(url)
    url = url.strip()
    if "&" in url and ";" in url:
        url = _ENTITY.sub(_entity_character, _DROPPED_BY_WHATWG.sub("", url))
    plain = _PLAIN.fullmatch(url)
    if plain is None:
        return _parsed(url)
    return url if plain[1] is None else _with_query(url[: plain.start(1)], plain[1][1:])


def link_key(normalised: str) -> str:
    """What all spellings of one page share: scheme, `www.`, a final dot of the host and a trailing slash taken away.

    Mobile hosts stay apart: `m.example.org` often serves another page.
    """
    address, mark, query = normalised[7:].partition("?")
    authority, _, path = address.removeprefix("/").partition("/")
    if authority.startswith("www.") and "." in authority[4:]:
        authority = authority[4:]
    return f"{authority.removesuffix('.')}/{path.removesuffix('/')}{mark}{query}"


def link_id(normalised: str) -> str:
    """The link's id: the first 32 hex digits of the sha256 of its key."""
    return hashlib.sha256(link_key(normalised).encode()).hexdigest()[:32]


def host(normalised: str) -> str:
    """The host of a normalised address, without port; IPv6 addresses keep their brackets."""
    return _without_port(normalised.partition("://")[2].partition("/")[0])


def path(normalised: str) -> str:
    """The path of a normalised address, from its first slash, without the query."""
    rest = normalised.partition("?")[0].partition("://")[2]
    return rest[rest.find("/") :] if "/" in rest else "/"


@functools.lru_cache(maxsize=1 << 16)
def with_parents(host: str) -> tuple[str, ...]:
    """A host and the domains above it, from the nearest: a.b.org, b.org, org. An IP address has none above it."""
    name = host.removesuffix(".")
    if _is_ip(name):
        return (name,)
    labels = name.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels)))


def registrable_domain(url_or_host: str) -> str:
    """The public suffix and one label before it: `bbc.co.uk` for `http://news.bbc.co.uk/`.

    The address or host must be normalised. An IP address, a host that is itself a suffix, and one without a dot are
    returned whole. Private suffixes do not count: `example.blogspot.com` belongs to `blogspot.com`, as in OpenAI's list
    of WebText domains.
    """
    return _registrable(host(url_or_host) if "://" in url_or_host else url_or_host)


@functools.lru_cache(maxsize=1 << 18)
def _registrable(name: str) -> str:
    name = name.removesuffix(".")
    if _is_ip(name):
        return name
    suffixes = _public_suffixes()
    labels = name.split(".")
    for start in range(len(labels)):
        candidate = ".".join(labels[start:])
        if f"!{candidate}" in suffixes:
            return candidate
        if candidate in suffixes or f"*.{'.'.join(labels[start + 1 :])}" in suffixes:
            return ".".join(labels[max(start - 1, 0) :])
    return ".".join(labels[-2:])


def _is_ip(name: str) -> bool:
    return name.startswith("[") or _ONLY_DIGITS_AND_DOTS.fullmatch(name) is not None


@functools.cache
def _public_suffixes() -> frozenset[str]:
    """The ICANN rules of the snapshot, in ASCII, with their marks `*.` and `!`."""
    import tldextract  # brings an HTTP client along: a quarter of a second, for those who ask for domains

    snapshot = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)
    return frozenset(rule if rule.isascii() else ada_url.idna_to_ascii(rule).decode() for rule in snapshot.tlds)


def _parsed(url: str) -> str | None:
    try:
        href: str = ada_url.URL(url).href
    except ValueError:
        return None
    if not href.startswith(("http://", "https://")):
        return None
    address, _, query = href.partition("#")[0].partition("?")
    scheme, _, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    authority = authority.rpartition("@")[2]
    if not _ASKABLE_HOST.fullmatch(_without_port(authority)):
        return None
    normal = _with_query(f"{scheme}://{authority}/{path}", query)
    return normal if len(normal) <= MAX_LENGTH else None


def _with_query(address: str, query: str) -> str:
    query = _without_tracking(query)
    return f"{address}?{query}" if query else address


def _scalar_values(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced, as WHATWG converts strings of JavaScript."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _entity_character(match: re.Match[str]) -> str:
    return _ENTITY_CHARACTER[match.group(1).lower()]


def _without_port(authority: str) -> str:
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def _without_tracking(query: str) -> str:
    names, prefixes = _tracking()
    kept = [
        parameter
        for parameter in query.split("&")
        if (name := parameter.partition("=")[0].lower()) not in names and not name.startswith(prefixes)
    ]
    return "&".join(kept)


@functools.cache
def _tracking() -> tuple[frozenset[str], tuple[str, ...]]:
    """Names of tracking parameters, and what other such names begin with."""
    listed = word_lists.packaged("pipeline", _TRACKING_LIST)
    exact = frozenset(name for name in listed if not name.endswith("*"))
    return exact, tuple(name.removesuffix("*") for name in listed if name.endswith("*"))

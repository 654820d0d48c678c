"""Where a redirect leads, and whether one may go there."""

from collections.abc import Sequence

import ada_url

from pipeline import urls
from pipeline.fetch.live.addresses import forbidden_port
from pipeline.ledger import Ending, Reason, dropped, failed

MAX_HOPS = 5
"""Redirects that are followed from a link to its page."""

_PORTS = {"http": 80, "https": 443}


def target_of(url: str, location: str) -> str | None:
    """The address that a Location header means, without credentials and fragment; None when it is none of the web.

    Unlike a link, it keeps its tracking parameters: a server that adds one would send us round in a circle.
    """
    try:
        parsed = ada_url.URL(location.strip(), base=url)
    except ValueError:
        return None
    if parsed.protocol not in {"http:", "https:"}:
        return None
    parsed.hash = parsed.username = parsed.password = ""
    target: str = parsed.href
    # Whoever can be fetched can be normalised: hosts that no name server can be asked for cannot.
    return target if len(target) <= urls.MAX_LENGTH and urls.normalise(target) is not None else None


def origin_of(url: str) -> str:
    """Scheme, host and port: `http://example.org:8080`."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}"


def port_of(url: str) -> int:
    """The port of an address, its scheme's own where it names none."""
    scheme, _, authority = origin_of(url).partition("://")
    _, colon, port = authority.rpartition(":")
    return int(port) if colon and port.isdigit() else _PORTS[scheme]


def refusal_of(url: str, trail: Sequence[str]) -> Ending | None:
    """Why an address may not be asked that others led to, None when it may be.

    trail: those others, the link's own first.
    """
    if url in trail:
        return failed(Reason.TOO_MANY_REDIRECTS, f"in a circle: {url}")
    if len(trail) > MAX_HOPS:
        return failed(Reason.TOO_MANY_REDIRECTS, f"more than {MAX_HOPS}: {url}")
    if forbidden_port(port_of(url)):
        return dropped(Reason.FORBIDDEN_ADDRESS, f"port {port_of(url)}")
    return None

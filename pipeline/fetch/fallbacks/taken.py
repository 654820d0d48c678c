"""What an archive gave for an address: a record, and whether it is a page."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from pipeline import urls
from pipeline.codings import undo_content_codings
from pipeline.fetch.live.addresses import Network, forbidden, literal
from pipeline.fetch.live.journal import Event
from pipeline.fetch.live.judging import may_be_html
from pipeline.fetch.live.redirects import refusal_of, target_of
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.surroundings import Refuse
from pipeline.fetch.live.transfer import REDIRECTS
from pipeline.ledger import FETCHED, Ending, Reason, dropped, failed
from pipeline.opt_out import opted_out
from pipeline.warc import HttpHead


class Taken(NamedTuple):
    """A capture."""

    url: str
    """Its address, normalised."""
    date: int
    """When it was made: seconds since 1970 UTC."""
    http: HttpHead
    payload: bytes
    """The body as it was sent, transfer coding undone."""
    record: bytes
    """A gzip member that holds the WARC record."""
    flaw: str = ""
    """What is missing of it."""


class LeadsOn(NamedTuple):
    """A capture of a redirect."""

    target: str


def judged(taken: Taken, rules: FetchRules, refuse: Refuse, trail: Sequence[str]) -> Event | LeadsOn | Ending:
    """What a capture is: a page, told as fields of its event; a redirect that may be followed; or neither.

    trail: the addresses that led to it, its own last. See `is_final` for endings that end the link itself.
    """
    headers = taken.http.headers
    if rules.honour_opt_out:
        signal = opted_out(headers, (), rules.tokens)
        if signal:
            return dropped(Reason.OPT_OUT, signal)
    status, kind = taken.http.status, headers.get("content-type", "")
    if status in REDIRECTS and "location" in headers:
        return _redirect(taken, refuse, trail)
    if status != 200:
        return failed(Reason.HTTP_ERROR, str(status))
    if not may_be_html(kind):
        return dropped(Reason.NOT_HTML, kind[:200])
    inflated = undo_content_codings(taken.payload, headers.get("content-encoding", ""), rules.max_bytes)
    if isinstance(inflated, Ending):
        return inflated
    return {
        "final_url": taken.url,
        "status": status,
        "content_type": kind,
        "at": taken.date,
        "outcome": FETCHED,
        "reason": "",
        "detail": f"not whole: {taken.flaw}" if taken.flaw else "",
        "sha256": hashlib.sha256(taken.payload).hexdigest(),
    }


def is_final(ending: Ending) -> bool:
    """Whether a link ends so, whatever other captures and archives hold: somebody refused it."""
    return ending.reason in {Reason.OPT_OUT, Reason.WIKIPEDIA, Reason.BLOCKED_DOMAIN, Reason.BLOCKED_EXTENSION}


def _redirect(taken: Taken, refuse: Refuse, trail: Sequence[str]) -> LeadsOn | Ending:
    location = taken.http.headers["location"]
    # Heads are read as latin-1, but addresses in them are UTF-8 more often than not.
    target = target_of(taken.url, location.encode("latin-1", "replace").decode("utf-8", "replace"))
    normal = None if target is None else urls.normalise(target)
    if normal is None:
        return failed(Reason.BAD_RESPONSE, f"leads to {location[:200]}")
    if urls.link_id(normal) in {urls.link_id(each) for each in trail}:
        return failed(Reason.TOO_MANY_REDIRECTS, f"in a circle: {normal}")
    ending = refusal_of(normal, trail)
    if ending is None:
        refused = refuse(normal)
        ending = None if refused is None else refused._replace(detail=f"leads to {normal}")
    return LeadsOn(normal) if ending is None else ending


def private_address(url: str, allowed: Sequence[Network]) -> Ending | None:
    """How a link ends to an address, written out, that means another machine to everybody; None for all others."""
    address = literal(urls.host(url))
    kind = None if address is None else forbidden(address, allowed)
    return None if kind is None else failed(Reason.NOT_IN_ARCHIVE, f"{address} is {kind}")

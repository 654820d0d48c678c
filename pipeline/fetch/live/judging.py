"""What an answer is worth: pure functions from heads and exchanges to endings."""

from pipeline.codings import undo_content_codings
from pipeline.fetch.live import robots
from pipeline.fetch.live.lanes import Lane, RobotsErrand
from pipeline.fetch.live.robots import Robots, Standing
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.transfer import MAX_ERROR_BYTES, REDIRECTS, Asked, Exchange
from pipeline.ledger import Ending, Reason, deferred, dropped, failed
from pipeline.opt_out import opted_out
from pipeline.warc import HttpHead

MAX_ROBOTS_BYTES = 2 * robots.MAX_BYTES
"""Of a robots.txt, packed or not, more is not read."""
MAX_ROBOTS_INFLATED = 20 * robots.MAX_BYTES

_OPAQUE_TYPES = frozenset({"unknown/unknown", "application/unknown", "application/x-unknown-content-type"})


def page_limit(head: HttpHead, rules: FetchRules) -> Ending | int:
    """How a link ends without the body of its answer, or how many bytes of it are read."""
    if rules.honour_opt_out:
        signal = opted_out(head.headers, (), rules.tokens)
        if signal:
            return dropped(Reason.OPT_OUT, signal)
    if head.status != 200:
        return MAX_ERROR_BYTES
    kind = head.headers.get("content-type", "")
    if not may_be_html(kind):
        return dropped(Reason.NOT_HTML, kind[:200])
    length = head.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:18]) > rules.max_bytes:
        return dropped(Reason.TOO_LARGE, f"{length[:18]} bytes")
    return rules.max_bytes


def robots_limit(head: HttpHead) -> Ending | int:
    """How many bytes of a robots.txt are read, packed as they come."""
    return MAX_ROBOTS_BYTES if head.status == 200 else MAX_ERROR_BYTES


def may_be_html(content_type: str) -> bool:
    """Whether a Content-Type header allows a web page: it names HTML or XHTML, or nothing that means anything."""
    kind = content_type.partition(";")[0].strip().lower()
    return "html" in kind or "/" not in kind or kind in _OPAQUE_TYPES


def leads_on(exchange: Exchange) -> bool:
    """Whether an answer is a redirect."""
    return exchange.head.status in REDIRECTS and "location" in exchange.head.headers


def page_fault(asked: Asked, rules: FetchRules) -> Ending | None:
    """Why a request has not given a page, None when it has, or leads to one."""
    exchange = asked.exchange
    if asked.ending is not None or exchange is None:
        return asked.ending
    if leads_on(exchange):
        return None
    if exchange.head.status != 200:
        return failed(Reason.HTTP_ERROR, str(exchange.head.status))
    if exchange.truncated == "length":
        return dropped(Reason.TOO_LARGE, f"more than {rules.max_bytes} bytes")
    if exchange.truncated:
        return failed(Reason.CONNECTION_ERROR, "the body breaks off")
    return None


def best_of_it(exchange: Exchange | None, fault: Ending | None) -> Ending | None:
    """What remains of a fault when nobody will mend it: a page that breaks off is a page, as it is in archives."""
    if exchange is None or exchange.head.status != 200 or exchange.truncated != "disconnect":
        return fault
    return fault if len(exchange.response) == exchange.head.size else None


def robots_fault(asked: Asked) -> Ending | None:
    """Why a request for a robots.txt has not told whether there is one, None when it has, or leads to one."""
    exchange = asked.exchange
    if asked.ending is not None or exchange is None:
        return asked.ending
    if robots.standing(exchange.head.status) is Standing.UNREACHABLE:
        return failed(Reason.HTTP_ERROR, str(exchange.head.status))
    if exchange.truncated == "disconnect":
        return failed(Reason.CONNECTION_ERROR, "the body breaks off")
    return None


def without_robots(fault: Ending) -> Ending:
    """How the links of an origin end whose robots.txt could not be had.

    A site without a line to it cannot be had either; one that answers with errors or nonsense asks us to stay away.
    """
    if fault.reason in {Reason.HTTP_ERROR, Reason.BAD_RESPONSE}:
        return deferred(Reason.ROBOTS_UNREACHABLE, fault.detail)
    return fault._replace(detail=f"robots.txt: {fault.detail}")


def elsewhere(errand: RobotsErrand, lane: Lane, ending: Ending) -> Ending:
    """How the links of an origin end whose robots.txt is to be had at a host that is closed."""
    if errand.asker is lane:
        return ending
    return deferred(Reason.ROBOTS_UNREACHABLE, f"leads to {lane.host}: {ending.reason} {ending.detail}".strip())


def read_robots(head: HttpHead, payload: bytes, rules: FetchRules) -> Robots | Ending:
    """What a robots.txt says. One that cannot be unpacked is one that cannot be had."""
    inflated = undo_content_codings(
        payload[:MAX_ROBOTS_BYTES], head.headers.get("content-encoding", ""), MAX_ROBOTS_INFLATED
    )
    if isinstance(inflated, Ending):
        return deferred(Reason.ROBOTS_UNREACHABLE, inflated.detail)
    return robots.parse(inflated.body, rules.tokens)

"""How often a host may be asked, and when it is left alone: a state machine on plain values, without its own clock.

A host is a name as it stands in addresses, without its port; hosts that share an address each have their own state.
Delays follow Nutch and StormCrawler (a crawl-delay of more than 30 s leaves the host for later) and Heritrix (five
times the host's last latency); the purge after failures in a row is Nutch's.
"""

import dataclasses
import math

from pipeline.ledger import Ending, Reason, deferred

LONGEST_DELAY = 30.0
"""Seconds: a host that asks for a longer crawl-delay is left for later, and no latency makes us wait longer."""
LATENCY_FACTOR = 5.0
LONGEST_WAIT = 300.0
"""Seconds: a host that sends us away for longer (Retry-After) is left for later."""
MAX_TRIES = 3
"""Requests for one address, the first included."""
MAX_FAILURES = 5
"""Failures in a row after which a host is left for later."""
BACKOFF_FACTOR = 5.0
"""A first retry waits about so many times `delay_seconds`, a second twice as long."""

_RETRIED_STATUSES = frozenset({408, 425, 429, *range(500, 600)} - {501, 505, 508, 510, 511})


@dataclasses.dataclass(frozen=True)
class Manners:
    """What a user decides of politeness."""

    delay_seconds: float = 1.0
    """The least gap between two requests to a host; 0 turns all waiting off."""
    host_budget: int = 1000
    """Links of a host that are fetched in a run."""


DEFAULT_MANNERS = Manners()


@dataclasses.dataclass(frozen=True)
class Host:
    """What is known of a host. Times are seconds of any clock that only goes forward."""

    ready_at: float = -math.inf
    """Before that it must not be asked."""
    crawl_delay: float | None = None
    """What its robots.txt asks for, in seconds."""
    latencies: tuple[float, float] = (0.0, 0.0)
    """Of the last two answers: seconds until the first byte."""
    failures: int = 0
    """In a row."""
    ending: Ending | None = None
    """How all its other links end; None while it is open."""


NEW_HOST = Host()


def gap(manners: Manners, host: Host) -> float:
    """Seconds from one request to the next.

    Of the last two latencies the smaller counts: a host is slow when it is slow twice, a single pause may be our own.
    """
    if not manners.delay_seconds:
        return 0.0
    slow = LATENCY_FACTOR * min(host.latencies)
    asked_for = host.crawl_delay or 0.0
    return max(min(max(asked_for, slow), LONGEST_DELAY), manners.delay_seconds)


def with_crawl_delay(manners: Manners, host: Host, crawl_delay: float | None) -> Host:
    """The host, once its robots.txt is known; closed when it asks for more patience than we have."""
    known = dataclasses.replace(host, crawl_delay=crawl_delay)
    known = dataclasses.replace(known, ready_at=host.ready_at + gap(manners, known) - gap(manners, host))
    if manners.delay_seconds and crawl_delay is not None and crawl_delay > max(LONGEST_DELAY, manners.delay_seconds):
        return dataclasses.replace(known, ending=deferred(Reason.CRAWL_DELAY, f"{crawl_delay:g} s"))
    return known


def after_answer(manners: Manners, host: Host, first_byte_at: float, latency: float) -> Host:
    """The host, when it has answered anything that is no trouble of its own.

    first_byte_at: by then our request had arrived, so a gap from then on is a gap at the server too.
    """
    answered = Host(first_byte_at, host.crawl_delay, (host.latencies[1], latency), 0, host.ending)
    pause = gap(manners, answered)
    return dataclasses.replace(answered, ready_at=first_byte_at + pause) if pause else answered


def after_failure(manners: Manners, host: Host, now: float, wait: float = 0.0, *, counts: bool = True) -> Host:
    """The host, when it could not be had or was in trouble; closed after too many failures in a row.

    wait: seconds that it asked for, or that a retry should wait. counts: whether it is one more failure in a row; an
    error that is answered to one address counts once, however often it is tried.
    """
    failures = host.failures + counts
    if manners.delay_seconds and wait > LONGEST_WAIT:
        ending = deferred(Reason.HOST_FAILING, f"asks to come back after {wait:g} s")
        return dataclasses.replace(host, failures=failures, ending=ending)
    if failures >= MAX_FAILURES:
        ending = deferred(Reason.HOST_FAILING, f"{failures} failures in a row")
        return dataclasses.replace(host, failures=failures, ending=ending)
    pause = max(gap(manners, host), wait) if manners.delay_seconds else 0.0
    return dataclasses.replace(host, failures=failures, ready_at=now + pause)


def is_retried(reason: Reason, status: int | None = None) -> bool:
    """Whether another try may help: the connection failed or broke, or the server said that it has a bad moment."""
    if reason is Reason.HTTP_ERROR:
        return status in _RETRIED_STATUSES
    return reason is Reason.CONNECTION_ERROR


def is_trouble(reason: Reason, status: int | None = None) -> bool:
    """Whether an ending speaks of a host in trouble: what counts towards MAX_FAILURES."""
    if reason is Reason.HTTP_ERROR:
        return status == 429 or (status is not None and status >= 500)
    return reason in {Reason.CONNECTION_ERROR, Reason.TIMEOUT, Reason.TLS_ERROR, Reason.BAD_RESPONSE}


def backoff(manners: Manners, link_id: str, tries: int) -> float:
    """Seconds to wait after so many tries of a link: doubled each time, spread by the link's id, by half either way."""
    spread = 0.5 + int(link_id[:8], 16) / 0xFFFFFFFF
    return BACKOFF_FACTOR * manners.delay_seconds * 2.0 ** (tries - 1) * spread


def retry_after(header: str, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, section 10.2.3); None where it says nothing readable.

    now: seconds since 1970.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    moment = http_date(text)
    return None if moment is None else max(moment - now, 0.0)


def http_date(text: str) -> float | None:
    """Seconds since 1970 of a date as HTTP writes it; None when it is none."""
    from email.utils import parsedate_to_datetime  # slow to import, and rarely needed

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None

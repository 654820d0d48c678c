"""Which links are dead enough to ask archives for them, and how those end that archives do not have either."""

from pipeline.ledger import Ending, Outcome, Reason, failed

_DEAD = frozenset(
    {
        Reason.NOT_IN_ARCHIVE,
        Reason.DNS_ERROR,
        Reason.CONNECTION_ERROR,
        Reason.TLS_ERROR,
        Reason.TIMEOUT,
        Reason.BAD_RESPONSE,
        Reason.BROKEN_RECORD,
        Reason.HTTP_ERROR,
        Reason.TOO_MANY_REDIRECTS,
        Reason.HOST_FAILING,
    }
)
"""Not here: what somebody decided. A site that says no (robots, opt_out, and robots_unreachable, which RFC 9309 counts
as a no), what our own rules refuse (blocked, wikipedia, forbidden_address), sites that are well and whose turn did not
come (host_budget, crawl_delay), and pages that are there but are no pages for us (not_html, too_large)."""

_REFUSALS = frozenset({"401", "402", "403", "407", "429", "451", "999"})
"""Statuses by which a site says that it does not want to be read, or not so often."""

ARCHIVES_AT_HAND = "warc"
"""The source of what archives at hand answered: an error in one of those is an answer."""


def is_dead(outcome: str, reason: str, detail: str, source: str | None) -> bool:
    """Whether archives are asked for a link that ended so.

    detail: of an http_error the status, as the fetcher writes it.
    """
    if outcome not in {Outcome.FAILED, Outcome.DEFERRED} or reason not in _DEAD:
        return False
    if reason == Reason.HTTP_ERROR:
        return source != ARCHIVES_AT_HAND and detail not in _REFUSALS
    return source != ARCHIVES_AT_HAND or reason == Reason.NOT_IN_ARCHIVE


def with_answer(detail: str, archive: str, answer: str) -> str:
    """The detail of a link that an archive was asked for in vain."""
    return "; ".join(filter(None, (detail, f"{archive}: {answer}")))


def without(why: Ending) -> Ending:
    """How a link ends that the archive has captures of, of which none is a page."""
    words = why.detail if why.reason is Reason.NOT_IN_ARCHIVE else f"{why.reason} {why.detail}".strip()
    return failed(Reason.NOT_IN_ARCHIVE, words)

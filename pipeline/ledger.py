"""What became of a link: one outcome and one reason from a closed list, in exactly one ledger row."""

import enum
from typing import NamedTuple


class Outcome(enum.StrEnum):
    """The four ways in which a link can end."""

    KEPT = "kept"
    DROPPED = "dropped"
    """A rule refused it: the same input will always be refused."""
    FAILED = "failed"
    """Its page could not be had or read."""
    DEFERRED = "deferred"
    """Its turn did not come in this run: a later run may fetch it."""


FETCHED = "fetched"
"""The outcome of a row of the page index whose link goes on: it has its page."""


class Stage(enum.StrEnum):
    """The stages of a run, in their order; each is a folder of the run directory."""

    LINKS = "links"
    PAGES = "pages"
    DOCUMENTS = "documents"
    DUPLICATES = "duplicates"
    CORPUS = "corpus"


class Reason(enum.StrEnum):
    """Why a link ended where it ended. The report and `webtext inspect --reason` use these names."""

    KEPT = "kept"
    # refused by its address
    BLOCKED_DOMAIN = "blocked_domain"
    BLOCKED_EXTENSION = "blocked_extension"
    WIKIPEDIA = "wikipedia"
    # no page
    NOT_IN_ARCHIVE = "not_in_archive"
    ROBOTS = "robots"
    OPT_OUT = "opt_out"
    HOST_BUDGET = "host_budget"
    CRAWL_DELAY = "crawl_delay"
    ROBOTS_UNREACHABLE = "robots_unreachable"
    HOST_FAILING = "host_failing"
    FORBIDDEN_ADDRESS = "forbidden_address"
    DNS_ERROR = "dns_error"
    TLS_ERROR = "tls_error"
    CONNECTION_ERROR = "connection_error"
    BAD_RESPONSE = "bad_response"
    HTTP_ERROR = "http_error"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    NOT_HTML = "not_html"
    BROKEN_RECORD = "broken_record"
    # no document
    EXTRACTION_TIMEOUT = "extraction_timeout"
    EXTRACTION_CRASH = "extraction_crash"
    NO_TEXT = "no_text"
    TOO_SHORT = "too_short"
    OTHER_LANGUAGE = "other_language"
    LOW_QUALITY = "low_quality"
    # a document that somebody else has
    WIKIPEDIA_MIRROR = "wikipedia_mirror"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"


class Ending(NamedTuple):
    """How one link ended: what a ledger row says beside the link's id and url."""

    outcome: Outcome
    reason: Reason
    detail: str = ""


def dropped(reason: Reason, detail: str = "") -> Ending:
    """A rule refused it."""
    return Ending(Outcome.DROPPED, reason, detail)


def failed(reason: Reason, detail: str = "") -> Ending:
    """Its page could not be had or read."""
    return Ending(Outcome.FAILED, reason, detail)


def deferred(reason: Reason, detail: str = "") -> Ending:
    """Its turn did not come in this run."""
    return Ending(Outcome.DEFERRED, reason, detail)

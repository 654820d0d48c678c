"""Archives as a source of pages: which of all the captures of a link is its page, and where a redirect leads.

An answer is found in steps. A step looks at all captures of one address and ends in an Answer, or in a Request for the
captures of another address, to which a redirect or a revisit record points.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pipeline import urls
from pipeline.fetch.captures import Capture
from pipeline.ledger import Ending, Reason, dropped, failed
from pipeline.wikipedia_hosts import is_wikipedia

MAX_HOPS = 5
"""Redirects that are followed from a link to its page."""

_UNKNOWN_TYPES = frozenset({"", "unknown/unknown", "application/unknown", "application/x-unknown-content-type"})

Refuse = Callable[[str], Ending | None]
"""How a link ends whose redirect leads to a (normalised) address, or None when it may lead there."""


class Link(NamedTuple):
    """A link that wants a page."""

    id: str
    url: str
    created: int | None
    """Its earliest eligible post, seconds since 1970 UTC; None where there is no post."""


class Answer(NamedTuple):
    """What archives say to a link: a page (`ending` is None), or why there is none. `capture` is what decided it."""

    link_id: str
    url: str
    """The link's own address."""
    ending: Ending | None
    capture: Capture | None = None
    final_url: str = ""
    """The address that answered, empty where none did."""


class Request(NamedTuple):
    """A link whose answer depends on the captures of another address."""

    id: str
    """Id of that address."""
    target: str
    """That address, normalised."""
    link_id: str
    url: str
    """The link's own address."""
    at: int | None
    """When the redirect or the revisit was recorded."""
    trail: tuple[str, ...]
    """Ids of the addresses that led here, the link's first."""
    revisit_of: str
    """For a revisit: the address that it was recorded at, which is the one that answered. Empty for a redirect."""
    refers_to_date: int | None
    payload_digest: str


def refuse_wikipedia(url: str) -> Ending | None:
    """Refuse redirects that lead to Wikipedia."""
    return dropped(Reason.WIKIPEDIA) if is_wikipedia(url) else None


@dataclasses.dataclass(frozen=True)
class Chooser:
    """The rules by which captures become answers."""

    max_bytes: int
    """The largest body, as it was sent."""
    refuse: Refuse = refuse_wikipedia

    def start(self, link: Link, captures: Sequence[Capture]) -> Answer | Request:
        """The first step: `captures` are all those of the link's own id, in any order."""
        return self._step(link.id, link.url, captures, link.created, (link.id,))

    def follow(self, request: Request, captures: Sequence[Capture]) -> Answer | Request:
        """A further step: `captures` are all those of the request's id, in any order."""
        if not captures:
            return Answer(request.link_id, request.url, failed(Reason.NOT_IN_ARCHIVE, f"leads to {request.target}"))
        if not request.revisit_of:
            return self._step(request.link_id, request.url, captures, request.at, request.trail)
        original = _original(request.refers_to_date, request.payload_digest, captures)
        if original is None:
            return Answer(request.link_id, request.url, _no_original(request.target))
        return self._answer(request.link_id, request.url, original._replace(url=request.revisit_of, date=request.at))

    def _step(
        self, link_id: str, url: str, captures: Sequence[Capture], at: int | None, trail: tuple[str, ...]
    ) -> Answer | Request:
        candidates = [_resolved(capture, captures) for capture in captures]
        best = min(candidates, key=lambda capture: self._rank(capture, at))
        if best.kind == "revisit" and not best.location:
            if not _refers_elsewhere(best):
                return Answer(link_id, url, _no_original(best.refers_to_url or best.url), best, best.url)
            return _request(best.refers_to_url, link_id, url, best, trail)
        if not best.location:
            return self._answer(link_id, url, best)
        refused = self.refuse(best.location)
        if refused is not None:
            return Answer(link_id, url, refused._replace(detail=f"leads to {best.location}"), best, best.location)
        ending = _too_far(best, captures, trail)
        if ending is not None:
            return Answer(link_id, url, ending, best, best.location)
        return _request(best.location, link_id, url, best, trail)

    def _answer(self, link_id: str, url: str, capture: Capture) -> Answer:
        return Answer(link_id, url, self._fault(capture), capture, capture.url)

    def _fault(self, capture: Capture) -> Ending | None:
        """Why a capture with a body is no page, None when it is one."""
        if capture.status is None:
            return failed(Reason.BROKEN_RECORD, "no HTTP status line")
        if capture.status != 200:
            return failed(Reason.HTTP_ERROR, str(capture.status))
        if not may_be_html(capture.content_type):
            return dropped(Reason.NOT_HTML, capture.content_type[:200])
        if capture.payload_bytes > self.max_bytes:
            return dropped(Reason.TOO_LARGE, f"{capture.payload_bytes} bytes")
        return None

    def _rank(self, capture: Capture, at: int | None) -> tuple[int, bool, int, int, str, int, str]:
        """Smaller is better: usable, then near to `at` (None: the latest), then by date and place."""
        date = capture.date or 0
        distance = -date if at is None else abs(date - at)
        order = (distance, date, capture.file, capture.offset, capture.url)
        return self._usefulness(capture), capture.date is None, *order

    def _usefulness(self, capture: Capture) -> int:
        if capture.location:
            return 3 if urls.link_id(capture.location) == capture.id else 2
        if capture.kind == "revisit":
            return 2 if _refers_elsewhere(capture) else 8
        fault = self._fault(capture)
        if fault is None:
            return 1 if capture.truncated else 0
        return {Reason.NOT_HTML: 4, Reason.TOO_LARGE: 5, Reason.HTTP_ERROR: 6}.get(fault.reason, 7)


def may_be_html(content_type: str) -> bool:
    """Whether a Content-Type header allows a web page: it names HTML or XHTML, or nothing that means anything."""
    kind = content_type.partition(";")[0].strip().lower()
    return "html" in kind or kind in _UNKNOWN_TYPES or "/" not in kind


def _resolved(capture: Capture, captures: Sequence[Capture]) -> Capture:
    """A revisit with the body that it stands for, where that lies at the same address; else the capture itself."""
    if capture.kind != "revisit" or capture.location:
        return capture
    original = _original(capture.refers_to_date, capture.payload_digest, captures)
    return capture if original is None else original._replace(url=capture.url, date=capture.date)


def _original(date: int | None, digest: str, captures: Sequence[Capture]) -> Capture | None:
    """The record that a revisit stands for: of the date that it names, else with its digest; the first of several."""

    def earliest(found: Iterator[Capture]) -> Capture | None:
        order = sorted(found, key=lambda each: (each.date is None, each.date or 0, each.file, each.offset))
        return order[0] if order else None

    bodies = [capture for capture in captures if capture.kind != "revisit" and not capture.location]
    same_digest = [each for each in bodies if digest and each.payload_digest == digest]
    if date is not None:
        of_date = earliest(each for each in same_digest if each.date == date) or earliest(
            each for each in bodies if each.date == date
        )
        if of_date is not None:
            return of_date
    return earliest(iter(same_digest))


def _refers_elsewhere(revisit: Capture) -> bool:
    return revisit.refers_to_url != "" and urls.link_id(revisit.refers_to_url) != revisit.id


def _no_original(url: str) -> Ending:
    return failed(Reason.NOT_IN_ARCHIVE, f"a revisit of {url}, which is not there")


def _too_far(redirect: Capture, captures: Sequence[Capture], trail: tuple[str, ...]) -> Ending | None:
    target_id = urls.link_id(redirect.location)
    if target_id == redirect.id and all(capture.url != redirect.location for capture in captures):
        return failed(Reason.NOT_IN_ARCHIVE, f"leads to {redirect.location}")
    if target_id in trail:
        return failed(Reason.TOO_MANY_REDIRECTS, f"in a circle: {redirect.location}")
    if len(trail) > MAX_HOPS:
        return failed(Reason.TOO_MANY_REDIRECTS, f"more than {MAX_HOPS}: {redirect.location}")
    return None


def _request(target: str, link_id: str, url: str, source: Capture, trail: tuple[str, ...]) -> Answer | Request:
    is_revisit = source.kind == "revisit" and not source.location
    if len(trail) > MAX_HOPS:
        return Answer(
            link_id, url, failed(Reason.TOO_MANY_REDIRECTS, f"more than {MAX_HOPS}: {target}"), source, target
        )
    target_id = urls.link_id(target)
    return Request(
        id=target_id,
        target=target,
        link_id=link_id,
        url=url,
        at=source.date,
        trail=(*trail, target_id),
        revisit_of=source.url if is_revisit else "",
        refers_to_date=source.refers_to_date,
        payload_digest=source.payload_digest,
    )

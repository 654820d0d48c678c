"""The Wayback Machine: one question to its index for an address, then the bytes of a capture as they were.

Sources: the README of internetarchive/wayback's CDX server; for what its playback sends, and for the rates that the
archive asks for, the client of the Environmental Data & Governance Initiative (edgi-govdata-archiving/wayback).
"""

import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from pipeline import urls
from pipeline.codings import undo_content_codings
from pipeline.fetch.fallbacks.archive import Ask
from pipeline.fetch.fallbacks.cdx import WAYBACK_FIELDS, of_array
from pipeline.fetch.fallbacks.desk import MEMENTO, Desk, Pace
from pipeline.fetch.fallbacks.held import Held, timestamp
from pipeline.fetch.fallbacks.playback import restored
from pipeline.fetch.fallbacks.taken import Taken
from pipeline.fetch.live import judging
from pipeline.fetch.live.politeness import http_date
from pipeline.fetch.live.redirects import MAX_HOPS
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.transfer import MAX_ERROR_BYTES, Client, Exchange
from pipeline.fetch.live.warc_records import copied_record
from pipeline.ledger import Ending, Reason, dropped, failed
from pipeline.warc import HttpHead, parse_date, payload_of

NAME = "wayback"
MAX_ANSWER_BYTES = 1 << 20
"""Of an index's answer; packed it may be a tenth of that."""
NEAREST = 20
"""Captures that the index is asked for."""
LEAST_GAP = 1.25
"""Seconds: the archive counts 60 requests a minute and asks clients to stay at 80 % of that."""
EXCLUDED = "excluded from it"
"""What is said of an address that the archive does not give, mostly because its owner asked for that."""
AT_ONCE = 2
"""Links that are being looked for: while one waits for an answer, another is made ready."""

_AS_IT_IS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")
_REFUSED = b"AccessControlException"
_MOVED = frozenset({301, 302, 303, 307, 308})


def pace(delay_seconds: float) -> Pace:
    """How often it is asked, index and playback together."""
    return Pace(max(delay_seconds, LEAST_GAP) if delay_seconds else 0.0)


class Wayback:
    """Asks the Wayback Machine; for the loop in which it was made."""

    name = NAME
    at_once = AT_ONCE

    def __init__(self, url: str, client: Client, rules: FetchRules) -> None:
        self._url = url.rstrip("/")
        self._rules = rules
        self._play = re.compile(re.escape(self._url.partition("://")[2]) + r"/web/(\d{4,14})(?:[a-z]{2}_)?/(.+)")
        manners = rules.manners
        own = pace(manners.delay_seconds)
        self.seconds_a_link = own.gap
        self.desk = Desk(client, own, manners, rules.deadline_seconds, "fetch.wayback_url")
        self.desks = (self.desk,)

    async def begin(self, known: Any) -> Any:
        """There is nothing to learn."""

    async def look_ahead(self, addresses: Sequence[str]) -> None:
        """Its index is asked address by address."""

    async def captures(self, url: str, at: int | None, ask: Ask) -> list[Held] | Ending:
        """What its index says of an address: the captures that are nearest to a moment."""
        return await ask(url, lambda: self._look_up(url, at))

    async def _look_up(self, url: str, at: int | None) -> list[Held] | Ending:
        query = {
            "url": url,
            "output": "json",
            "fl": ",".join(WAYBACK_FIELDS),
            "filter": "statuscode:[23]..",
            "closest": timestamp(at),
            "sort": "closest",
            "limit": str(NEAREST),
        }
        answer = await self.desk.ask(f"{self._url}/cdx/search/cdx?{urllib.parse.urlencode(query)}", _index_limit)
        if isinstance(answer, Ending):
            return answer
        if answer.head.status != 200:
            return _without(answer)
        payload = payload_of(answer.response, answer.head).body
        body = undo_content_codings(payload, answer.head.headers.get("content-encoding", ""), MAX_ANSWER_BYTES)
        if isinstance(body, Ending):
            return failed(Reason.BAD_RESPONSE, body.detail)
        if _REFUSED in body.body[:MAX_ERROR_BYTES]:
            return failed(Reason.NOT_IN_ARCHIVE, EXCLUDED)
        found = of_array(body.body, urls.link_id(url))
        return failed(Reason.BAD_RESPONSE, "no list of captures") if found is None else found

    async def take(self, held: Held) -> Taken | Ending:
        """The capture itself. Where another one is played in its stead, that one, if it is of the same address."""
        stamp, original = timestamp(held.date), held.url
        for _ in range(MAX_HOPS):
            source = f"{self._url}/web/{stamp}id_/{urllib.parse.quote(original, safe=_AS_IT_IS)}"
            answer = await self.desk.ask(source, self._limit)
            if isinstance(answer, Ending):
                return answer
            if _is_capture(answer.head):
                return self._taken(answer, stamp, original, source)
            moved = self._other(answer, original)
            if moved is None:
                return _without(answer)
            stamp, original = moved
        return failed(Reason.TOO_MANY_REDIRECTS, f"more than {MAX_HOPS} from one date to another")

    def _limit(self, head: HttpHead) -> Ending | int:
        """How many bytes of an answer are read: of a capture as much as of a live page."""
        if not _is_capture(head):
            return MAX_ERROR_BYTES
        length = head.headers.get("content-length", "")
        return judging.page_limit(restored(head, int(length[:18]) if length.isdigit() else 0), self._rules)

    def _taken(self, answer: Exchange, stamp: str, original: str, source: str) -> Taken | Ending:
        if answer.truncated:
            return dropped(Reason.TOO_LARGE, f"more than {self._rules.max_bytes} bytes")
        moment = http_date(answer.head.headers.get(MEMENTO, ""))
        date = parse_date(stamp) if moment is None else int(moment)
        url = urls.normalise(original)
        if date is None or url is None:
            return failed(Reason.BAD_RESPONSE, "a capture without date or address")
        payload = payload_of(answer.response, answer.head).body
        head = restored(answer.head, len(payload))
        location = head.headers.get("location", "")
        if location:
            played = self._play.search(location)
            head.headers["location"] = played[2] if played else location
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.headers.items())
        block = f"HTTP/1.1 {head.status} \r\n{lines}\r\n".encode("latin-1", "replace")
        head = head._replace(size=len(block))
        record = copied_record(Exchange(url, b"", block + payload, head, date, ""), source)
        return Taken(url, date, head, payload, record)

    def _other(self, answer: Exchange, original: str) -> tuple[str, str] | None:
        """The date and the address of the capture that it sends us to, when it is one of the same address."""
        if answer.head.status not in _MOVED:
            return None
        location = urllib.parse.urljoin(f"{self._url}/", answer.head.headers.get("location", ""))
        played = self._play.fullmatch(location.partition("://")[2])
        if played is None:
            return None
        there, here = urls.normalise(played[2]), urls.normalise(original)
        if there is None or here is None or urls.link_id(there) != urls.link_id(here):
            return None
        return played[1], played[2]


def _index_limit(head: HttpHead) -> int:
    return MAX_ANSWER_BYTES if head.status == 200 else MAX_ERROR_BYTES


def _is_capture(head: HttpHead) -> bool:
    """Whether an answer is a capture and not the archive's own word, as its errors and redirects are."""
    return MEMENTO in head.headers or head.status == 200


def _without(answer: Exchange) -> Ending:
    """Why the archive does not give what was asked for."""
    error = answer.head.headers.get("x-archive-wayback-runtime-error", "").encode()
    refused = answer.head.status in {403, 451} or _REFUSED in error or _REFUSED in answer.response
    return failed(Reason.NOT_IN_ARCHIVE, EXCLUDED if refused else f"status {answer.head.status}")

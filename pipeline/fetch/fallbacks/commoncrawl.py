"""Common Crawl: where captures lie, by its columnar index or by asking its index server; then the records themselves.

Sources: https://commoncrawl.org/get-started, https://index.commoncrawl.org and the schema of commoncrawl/cc-index-table
for the layout; https://status.commoncrawl.org for what its hosts bear.
"""

import asyncio
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from pipeline import urls
from pipeline.codings import undo_content_codings
from pipeline.fetch.fallbacks.archive import Ask
from pipeline.fetch.fallbacks.cdx import of_lines
from pipeline.fetch.fallbacks.columnar import Hits, find
from pipeline.fetch.fallbacks.crawls import Crawl, away, crawls_of, nearest_first
from pipeline.fetch.fallbacks.desk import Desk, Pace
from pipeline.fetch.fallbacks.held import Held, distance
from pipeline.fetch.fallbacks.records import taken_from
from pipeline.fetch.fallbacks.taken import Taken
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.transfer import MAX_ERROR_BYTES, Client, Exchange
from pipeline.ledger import Ending, Reason, deferred, dropped, failed
from pipeline.warc import MAX_HEAD, HttpHead, payload_of

NAME = "commoncrawl"
MOST_CRAWLS = 5
"""Crawls whose index is asked for one address, those nearest to the post. There are more than a hundred."""
MAX_ANSWER_BYTES = 1 << 20
"""Of an index's answer."""
AT_ONCE = 8
"""Links that are being looked for, and records in flight."""
LEAST_INDEX_GAP = 1.0
"""Seconds."""
DATA_GAP = 0.1
"""Of `delay_seconds`: how far apart records are asked for. The files lie with a CDN made for many readers."""
REFUSALS = frozenset({403})
"""Statuses by which it says that it is asked too much."""

_KEY = "fetch.commoncrawl_url"
_FILE = re.compile(r"[A-Za-z0-9_=][A-Za-z0-9_.=/-]*")
_OTHER_SUBSETS = ("/robotstxt/", "/crawldiagnostics/")
"""Folders of what is no page: robots.txt; redirects and errors."""


def index_url(url: str) -> str:
    """The index server that belongs to the files at an address: the host `index.x` for `data.x`, else the same."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://index.{rest.removeprefix('data.')}" if rest.startswith("data.") else url


def index_pace(delay_seconds: float) -> Pace:
    """How often its index server, a single machine, is asked."""
    return Pace(max(delay_seconds, LEAST_INDEX_GAP) if delay_seconds else 0.0, 1, REFUSALS)


def data_pace(delay_seconds: float) -> Pace:
    """How often records are asked for."""
    return Pace(delay_seconds * DATA_GAP, AT_ONCE, REFUSALS)


class CommonCrawl:
    """Asks Common Crawl; for the loop in which it was made."""

    name = NAME
    at_once = AT_ONCE

    def __init__(self, url: str, client: Client, rules: FetchRules, index: Sequence[str] = ()) -> None:
        """Get ready. url: where its files are. index: files of its columnar index, read in place of asking a server."""
        self._url, self._index_url = url.rstrip("/"), index_url(url.rstrip("/"))
        self._rules = rules
        self._files = index
        self._hits = Hits.none()
        self._crawls: Sequence[Crawl] = ()
        manners, deadline = rules.manners, rules.deadline_seconds
        of_index, of_data = index_pace(manners.delay_seconds), data_pace(manners.delay_seconds)
        self.seconds_a_link = 0.0 if index else of_index.gap
        self._index = Desk(client, of_index, manners, deadline, _KEY)
        self._data = Desk(client, of_data, manners, deadline, _KEY)
        self.desks = (self._index, self._data)

    async def begin(self, known: Any) -> Any:
        """Learn which crawls there are; an earlier run may have."""
        if self._files:
            return None
        if known is not None:
            self._crawls = [Crawl(*each) for each in known]
            return None
        answer = await self._index.ask(f"{self._index_url}/collinfo.json", _index_limit)
        body = answer if isinstance(answer, Ending) else _body_of(answer)
        self._crawls = [] if isinstance(body, Ending) else crawls_of(body)
        if not self._crawls:
            words = f"{body.reason} {body.detail}" if isinstance(body, Ending) else "no list of crawls"
            self._index.closed = self._index.closed or deferred(Reason.HOST_FAILING, f"collinfo.json: {words}")
            return None
        return [list(crawl) for crawl in self._crawls]

    async def look_ahead(self, addresses: Sequence[str]) -> None:
        """Read the columnar index, once for all links that are asked for next."""
        if self._files:
            loop = asyncio.get_running_loop()
            self._hits = await loop.run_in_executor(None, find, self._files, addresses)

    async def captures(self, url: str, at: int | None, ask: Ask) -> list[Held] | Ending:
        """What it holds of an address, in the crawls nearest to a moment: as many as may have the nearest capture."""
        if self._files:
            return _pages_alone(self._hits.of(urls.link_id(url)))
        if self._index.closed is not None:
            return self._index.closed
        held: list[Held] = []
        for crawl in nearest_first(self._crawls, at)[:MOST_CRAWLS]:
            best = distance(held, at)
            if best is not None and away(crawl, at) >= best:
                break
            question = f"{self._index_of(crawl)}?{urllib.parse.urlencode({'url': url, 'output': 'json'})}"
            found = await ask(question, lambda question=question: self._look_up(question, url))  # type: ignore[misc]
            if isinstance(found, Ending):
                return found
            held += found
        return held

    async def take(self, held: Held) -> Taken | Ending:
        """The record, cut out of its file."""
        if ".." in held.file or not _FILE.fullmatch(held.file):
            return failed(Reason.NOT_IN_ARCHIVE, f"a file of the name {held.file[:200]}")
        if held.length > self._rules.max_bytes + MAX_HEAD:
            return dropped(Reason.TOO_LARGE, f"a record of {held.length} bytes")
        first, end = held.offset, held.offset + held.length

        def stop(head: HttpHead) -> Ending | int:
            if head.status == 206:
                return held.length
            if head.status != 200:
                return MAX_ERROR_BYTES
            fits = end <= self._rules.max_bytes + MAX_HEAD
            return end if fits else failed(Reason.NOT_IN_ARCHIVE, "a server that knows no ranges")

        source = f"{self._url}/{held.file}"
        answer = await self._data.ask(source, stop, (first, end - 1))
        if isinstance(answer, Ending):
            return answer
        body = payload_of(answer.response, answer.head).body
        match answer.head.status:
            case 206:
                part = body[: held.length]
            case 200:
                part = body[first:end]
            case status:
                return failed(Reason.NOT_IN_ARCHIVE, f"status {status}")
        return taken_from(part, held, source, self._rules.max_bytes)

    def _index_of(self, crawl: Crawl) -> str:
        """Where a crawl's index is asked: at no other server than the one whose pace is kept."""
        if crawl.api.startswith(f"{self._index_url}/") and crawl.api.isascii() and crawl.api.isprintable():
            return urllib.parse.quote(crawl.api, safe=":/._-~%")
        return f"{self._index_url}/{crawl.name}-index"

    async def _look_up(self, question: str, url: str) -> list[Held] | Ending:
        answer = await self._index.ask(question, _index_limit)
        if isinstance(answer, Ending):
            return answer
        if answer.head.status == 404:
            return []
        body = _body_of(answer)
        return body if isinstance(body, Ending) else _pages_alone(of_lines(body, urls.link_id(url)))


def _index_limit(head: HttpHead) -> int:
    return MAX_ANSWER_BYTES if head.status == 200 else MAX_ERROR_BYTES


def _body_of(answer: Exchange) -> bytes | Ending:
    if answer.head.status != 200:
        return failed(Reason.HTTP_ERROR, str(answer.head.status))
    payload = payload_of(answer.response, answer.head).body
    body = undo_content_codings(payload, answer.head.headers.get("content-encoding", ""), 10 * MAX_ANSWER_BYTES)
    return body if isinstance(body, Ending) else body.body


def _pages_alone(captures: Sequence[Held]) -> list[Held]:
    return [held for held in captures if not any(folder in held.file for folder in _OTHER_SUBSETS)]

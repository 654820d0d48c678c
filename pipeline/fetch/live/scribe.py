"""Between the loop that fetches and the journal: looks at pages, packs them and writes, many requests at a time.

What the loop has gathered while it went round once is written at once, in the loop's own thread: handing every page to
another thread costs more than packing it, since both want the interpreter. Large pages, and bringing files to the disk
itself, go to a thread.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pipeline.codings import GZIP_MAGIC, undo_content_codings
from pipeline.fetch.live.journal import Event, Journal
from pipeline.fetch.live.transfer import Exchange
from pipeline.fetch.live.warc_records import exchange_records
from pipeline.ledger import FETCHED, Ending
from pipeline.warc import payload_of
from webtext.errors import UserError

MOST_INFLATION = 1032
"""Bytes that one byte of a deflate stream can stand for (zlib's technical notes)."""
LARGE_BYTES = 1 << 17
"""Answers from this size on are packed on a thread."""
SYNC_SECONDS = 1.0
"""Between two syncs of a journal: what a failing machine, not a killed process, may lose."""


class Written(NamedTuple):
    """An event that is on disk, and where its line begins in the journal."""

    event: Event
    line: int


Then = Callable[[Event, int], None]
"""Is told of an event that is on disk, and where its line begins."""

_Prepared = tuple[Event, Sequence[bytes]]


class Scribe:
    """Writes to one journal; for the loop in which it was made."""

    def __init__(self, journal: Journal, max_bytes: int) -> None:
        self._journal = journal
        self._max_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "scribe")
        self._waiting: list[tuple[_Prepared, asyncio.Future[Written], Then | None]] = []
        self._synced_at = time.monotonic()
        self._syncing: asyncio.Future[None] | None = None

    def write(
        self, event: Event, exchange: Exchange | None = None, then: Then | None = None
    ) -> "asyncio.Future[Written]":
        """Begin to write an event. When the future is done, a killed process loses it no more, and `then` was told.

        The future raises UserError when the disk is full.
        """
        future: asyncio.Future[Written] = self._loop.create_future()
        if exchange is None or len(exchange.response) < LARGE_BYTES:
            self._gather(_prepared(event, exchange, self._max_bytes), future, then)
        else:
            work = self._loop.run_in_executor(self._thread, _prepared, event, exchange, self._max_bytes)
            work.add_done_callback(
                lambda done: future.cancel() if done.cancelled() else self._gather(done.result(), future, then)
            )
        return future

    def keep(self, event: Event, records: Sequence[bytes] = ()) -> "asyncio.Future[Written]":
        """As `write`, for records that are packed already, the one that the event tells of first."""
        future: asyncio.Future[Written] = self._loop.create_future()
        self._gather((event, records), future)
        return future

    def _gather(self, prepared: _Prepared, future: "asyncio.Future[Written]", then: Then | None = None) -> None:
        if not self._waiting:
            self._loop.call_soon(self._write_all)
        self._waiting.append((prepared, future, then))

    async def close(self) -> None:
        """Wait for the end of the thread."""
        await self._loop.run_in_executor(None, self._thread.shutdown)

    def _write_all(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            lines = self._journal.append([prepared for prepared, *_ in batch])
        except UserError as error:
            for _, future, _ in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for ((event, _), future, then), line in zip(batch, lines, strict=False):
            if then is not None:
                then(event, line)
            if not future.done():
                future.set_result(Written(event, line))
        if time.monotonic() - self._synced_at >= SYNC_SECONDS and (self._syncing is None or self._syncing.done()):
            self._synced_at = time.monotonic()
            self._syncing = self._loop.run_in_executor(self._thread, self._journal.sync)


def _prepared(event: Event, exchange: Exchange | None, max_bytes: int) -> _Prepared:
    """The event as it will stand in the journal, and the records that it tells of.

    A page that proves too large or unreadable when it is inflated ends here, and is not kept.
    """
    if exchange is None:
        return event, ()
    sha256 = ""
    if event.get("outcome") == FETCHED:
        ending, sha256 = _looked_at(exchange, max_bytes)
        if ending is not None:
            return {**event, **fields_of(ending)}, ()
        event = {**event, "sha256": sha256}
    in_chunks = "transfer-encoding" in exchange.head.headers
    return event, exchange_records(exchange, "" if in_chunks else sha256)


def _looked_at(exchange: Exchange, max_bytes: int) -> tuple[Ending | None, str]:
    """How a page ends that is too large when it is inflated, or cannot be; and the SHA-256 of it as it came."""
    response, head = exchange.response, exchange.head
    payload: bytes | memoryview = (
        payload_of(response, head).body if "transfer-encoding" in head.headers else memoryview(response)[head.size :]
    )
    coding = head.headers.get("content-encoding", "")
    if not _surely_fits(payload, coding, max_bytes):
        inflated = undo_content_codings(bytes(payload), coding, max_bytes)
        if isinstance(inflated, Ending):
            return inflated, ""
    return None, hashlib.sha256(payload).hexdigest()


def _surely_fits(payload: bytes | memoryview, coding: str, max_bytes: int) -> bool:
    """Whether a body cannot be too large when it is inflated, so that it need not be inflated to know."""
    if not coding:
        return len(payload) <= max_bytes
    return coding == "gzip" and payload[:3] == GZIP_MAGIC and len(payload) * MOST_INFLATION <= max_bytes


def fields_of(ending: Ending) -> Event:
    """An ending as an event has it."""
    return {"outcome": ending.outcome.value, "reason": ending.reason.value, "detail": ending.detail}

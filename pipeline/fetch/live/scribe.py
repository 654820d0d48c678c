"""Between the loop that fetches and the journals: looks at pages, packs and writes, on a thread of its own, in batches.

While a batch is being written the next one gathers, so that many requests share a write, and a sync of the disk.
"""

import asyncio
import hashlib
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pipeline.codings import undo_content_codings
from pipeline.fetch.live.journal import Event, Journal
from pipeline.fetch.live.transfer import Exchange
from pipeline.fetch.live.warc_records import exchange_records
from pipeline.ledger import FETCHED, Ending
from pipeline.warc import payload_of

SYNC_SECONDS = 1.0
"""Between two syncs of a journal: what a failing machine, not a killed process, may lose."""


class Written(NamedTuple):
    """An event that is on disk, and where its line begins in the journal."""

    event: Event
    line: int


Entry = tuple[Event, Exchange | None]
"""An event, and what it tells of, to be kept."""

_Batch = list[tuple[Entry, "asyncio.Future[Written]"]]


class Scribe:
    """Writes to one journal; for the loop in which it was made."""

    def __init__(self, journal: Journal, max_bytes: int) -> None:
        self._journal = journal
        self._max_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "scribe")
        self._waiting: _Batch = []
        self._busy = False
        self._synced_at = time.monotonic()

    def write(self, event: Event, exchange: Exchange | None = None) -> "asyncio.Future[Written]":
        """Begin to write an event; the future is done when it is written, so that a killed process loses it no more."""
        future = self._loop.create_future()
        self._waiting.append(((event, exchange), future))
        if not self._busy:
            self._next_batch()
        return future

    async def close(self) -> None:
        """Wait for the end of the thread."""
        await self._loop.run_in_executor(None, self._thread.shutdown)

    def _next_batch(self) -> None:
        batch, self._waiting = self._waiting, []
        self._busy = bool(batch)
        if batch:
            work = self._loop.run_in_executor(self._thread, self._write, [entry for entry, _ in batch])
            work.add_done_callback(lambda done: self._tell(batch, done))

    def _tell(self, batch: _Batch, done: "asyncio.Future[list[Written]]") -> None:
        error = None if done.cancelled() else done.exception()
        written = [] if done.cancelled() or error else done.result()
        for (_, future), result in itertools.zip_longest(batch, written):
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            elif result is None:
                future.cancel()
            else:
                future.set_result(result)
        self._next_batch()

    def _write(self, entries: Sequence[Entry]) -> list[Written]:
        prepared = [_prepared(event, exchange, self._max_bytes) for event, exchange in entries]
        lines = self._journal.append(prepared)
        if time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self._journal.sync()
            self._synced_at = time.monotonic()
        return [Written(event, line) for (event, _), line in zip(prepared, lines, strict=True)]


def _prepared(event: Event, exchange: Exchange | None, max_bytes: int) -> tuple[Event, Sequence[bytes]]:
    """The event as it will stand in the journal, and the records that it tells of.

    A page that proves too large or unreadable when it is inflated ends here, and is not kept.
    """
    if exchange is None:
        return event, ()
    if event.get("outcome") == FETCHED:
        payload = payload_of(exchange.response, exchange.head).body
        inflated = undo_content_codings(payload, exchange.head.headers.get("content-encoding", ""), max_bytes)
        if isinstance(inflated, Ending):
            return {**event, **fields_of(inflated)}, ()
        event = {**event, "sha256": hashlib.sha256(payload).hexdigest()}
    return event, exchange_records(exchange)


def fields_of(ending: Ending) -> Event:
    """An ending as an event has it."""
    return {"outcome": ending.outcome.value, "reason": ending.reason.value, "detail": ending.detail}

"""The desk of an archive on the web, at which it is asked: one request after the other, at the pace that it wishes."""

import asyncio
import dataclasses
import hashlib
import time
from typing import Self

from pipeline.fetch.live import politeness
from pipeline.fetch.live.politeness import MAX_FAILURES, MAX_TRIES, Manners
from pipeline.fetch.live.transfer import Asked, Client, Exchange, Line, Stop, Target
from pipeline.ledger import Ending, Reason, deferred, failed
from webtext.errors import UserError

TOO_OFTEN_SECONDS = 60.0
"""The pause after an answer that says we ask too often (429) and not when to come back."""
MEMENTO = "memento-datetime"
"""The header by which an archive says that an answer, whatever its status, is a capture (RFC 7089)."""


@dataclasses.dataclass(frozen=True)
class Pace:
    """How an archive's host wants to be asked."""

    gap: float
    """Least seconds from the first byte of an answer, or from a request where several are in flight, to the next."""
    at_once: int = 1
    """Requests in flight."""
    refusals: frozenset[int] = frozenset()
    """Statuses, beside those of a host in trouble, by which it says that it is asked too much."""


@dataclasses.dataclass(frozen=True)
class _PartClient(Client):
    """A client of one line, whose requests may ask for some bytes of a file."""

    part: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    """The first and the last byte that the next request asks for, if it asks for a part."""

    @classmethod
    def like(cls, client: Client) -> Self:
        """The same client, for another line."""
        return cls(**{field.name: getattr(client, field.name) for field in dataclasses.fields(Client)})

    def request(self, target: Target) -> bytes:
        """What is sent."""
        request = super().request(target)
        for first, last in self.part:
            request = request.removesuffix(b"\r\n") + f"Range: bytes={first}-{last}\r\n\r\n".encode()
        return request


class Desk:
    """Requests to one host; for the loop in which it was made."""

    def __init__(self, client: Client, pace: Pace, manners: Manners, deadline: float, key: str) -> None:
        """Get ready. deadline: seconds for one request. key: the config key that names the host."""
        self.requests = 0
        self.closed: Ending | None = None
        """How links end that would still have to be asked for here; None while the archive answers."""
        self._pace = pace
        self._manners = manners
        self._deadline = deadline
        self._key = key
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(pace.at_once)
        self._turn = asyncio.Lock()
        clients = [_PartClient.like(client) for _ in range(pace.at_once)]
        self._lines = [(Line(each), each.part) for each in clients]
        self._ready_at = 0.0
        self._failures = 0

    async def ask(self, url: str, stop: Stop, part: tuple[int, int] | None = None) -> Exchange | Ending:
        """Request an address (in ASCII), and again where another try may help.

        part: the first and the last byte that are wanted of a file; None for all of it.
        Returns an exchange whatever its status; an Ending where there is no whole answer, or `stop` refused it, or the
        desk is closed.
        Raises UserError when the address may not be reached.
        """
        tries = 0
        async with self._places:
            while True:
                await self._wait()
                if self.closed is not None:
                    return self.closed
                asked = await self._request(url, stop, part)
                tries += 1
                fault, wait = self._trouble(asked)
                if fault is None:
                    self._failures = 0
                    return _answer(asked)
                if tries == MAX_TRIES or not politeness.is_retried(fault.reason, _status(asked)):
                    self._pause(wait)
                    self._fail(fault)
                    return fault
                spread = hashlib.sha256(url.encode()).hexdigest()
                self._pause(max(wait, politeness.backoff(self._manners, spread, tries)))

    async def close(self) -> None:
        """Close the connections."""
        for line, _ in self._lines:
            await line.close()

    async def _wait(self) -> None:
        """Until it is this request's turn."""
        async with self._turn:
            while self.closed is None and (seconds := self._ready_at - self._loop.time()) > 0:
                await asyncio.sleep(seconds)
            self._ready_at = max(self._ready_at, self._loop.time() + self._pace.gap)

    def _pause(self, seconds: float) -> None:
        """Let everybody wait; a pause that is too long closes the desk."""
        if not self._manners.delay_seconds:
            return
        if seconds > politeness.LONGEST_WAIT:
            self.closed = deferred(Reason.HOST_FAILING, f"asks to come back after {seconds:g} s")
        self._ready_at = max(self._ready_at, self._loop.time() + seconds)

    async def _request(self, url: str, stop: Stop, part: tuple[int, int] | None) -> Asked:
        line, asked_part = self._lines.pop()
        asked_part[:] = [] if part is None else [part]
        self.requests += 1
        try:
            asked = await line.ask(url, self._deadline, stop)
        finally:
            self._lines.append((line, asked_part))
        self._ready_at = max(self._ready_at, asked.answered_at + self._pace.gap)
        return asked

    def _fail(self, fault: Ending) -> None:
        """One more request has failed for good; too many in a row close the desk."""
        self._failures += 1
        if self._failures >= MAX_FAILURES and self.closed is None:
            words = f"{fault.reason} {fault.detail}".strip()
            self.closed = deferred(Reason.HOST_FAILING, f"{self._failures} failures in a row, {words}")

    def _trouble(self, asked: Asked) -> tuple[Ending | None, float]:
        """What is wrong with the host, if anything is, and how long it asks us to stay away."""
        ending, exchange = asked.ending, asked.exchange
        if ending is not None:
            if ending.reason is Reason.FORBIDDEN_ADDRESS:
                raise UserError(
                    f"{self._key} leads where no request may go: {ending.detail}; correct it, or name its range in "
                    "fetch.allow_networks."
                )
            is_trouble = ending.reason is Reason.DNS_ERROR or politeness.is_trouble(ending.reason)
            return (ending if is_trouble else None), 0.0
        assert exchange is not None
        if exchange.truncated == "disconnect":
            return failed(Reason.CONNECTION_ERROR, "the body breaks off"), 0.0
        status = exchange.head.status
        is_trouble = politeness.is_trouble(Reason.HTTP_ERROR, status) or status in self._pace.refusals
        if MEMENTO in exchange.head.headers or not is_trouble:
            return None, 0.0
        wait = politeness.retry_after(exchange.head.headers.get("retry-after", ""), time.time())
        if wait is None:
            wait = TOO_OFTEN_SECONDS if status == 429 else 0.0
        return failed(Reason.HTTP_ERROR, str(status)), wait


def _answer(asked: Asked) -> Exchange | Ending:
    if asked.ending is not None:
        return asked.ending
    assert asked.exchange is not None
    return asked.exchange


def _status(asked: Asked) -> int | None:
    return asked.exchange.head.status if asked.exchange else None

"""What comes over a connection, kept byte for byte as it comes: aiohttp hands on only what it made of it."""

import asyncio
import re
from collections.abc import Callable

import aiohttp
from aiohttp.client_proto import ResponseHandler

MAX_HEAD = 32 * 1024
"""Bytes that the head of an answer may have, interim answers included."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/\d\.\d 1(?!01)\d\d\b")


class HeadTooLargeError(aiohttp.ClientError):
    """The head of an answer has more than MAX_HEAD bytes."""


class Recording:
    """The bytes of one answer."""

    def __init__(self) -> None:
        self.first_byte_at: float | None = None
        """When its first byte came, by the loop's clock."""
        self._parts: list[bytes] = []
        self._head: bytearray | None = bytearray()
        self._answer_start = 0

    @property
    def empty(self) -> bool:
        """Whether nothing has come."""
        return not self._parts

    @property
    def answer(self) -> bytes:
        """The answer itself, without the interim ones (status 1xx) that came before it."""
        return b"".join(self._parts)[self._answer_start :]

    def add(self, data: bytes, now: float) -> bool:
        """Take what came; False when the head has grown too large."""
        if self.first_byte_at is None:
            self.first_byte_at = now
        self._parts.append(data)
        return self._head is None or self._look_for_head(self._head, data)

    def _look_for_head(self, head: bytearray, data: bytes) -> bool:
        searched = max(len(head) - 3, self._answer_start)
        head += data
        while found := _HEAD_END.search(head, searched):
            if found.end() > MAX_HEAD:
                return False
            if not _INTERIM.match(head, self._answer_start):
                self._head = None
                return True
            self._answer_start = searched = found.end()
        return len(head) <= MAX_HEAD


class Tape:
    """Where the connections of one host put what they receive: into the recording of the request in progress."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.address = ""
        """Of the server at the other end of the last connection."""

    def start(self) -> Recording:
        """Begin a new recording."""
        self.recording = Recording()
        return self.recording

    def stop(self) -> None:
        """What comes from now on is of no answer."""
        self.recording = None


class _TapedHandler(ResponseHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop, tape: Tape) -> None:
        super().__init__(loop)
        self._tape = tape

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._tape.address = str(peer[0]) if peer else ""

    def data_received(self, data: bytes) -> None:
        recording = self._tape.recording
        if data and recording is not None and not recording.add(data, self._loop.time()):
            self.set_exception(HeadTooLargeError(f"a head of more than {MAX_HEAD} bytes"))
            if self.transport is not None:
                self.transport.abort()
            return
        super().data_received(data)


class TapedConnector(aiohttp.TCPConnector):
    """A connector whose connections record. aiohttp has a place for a factory of protocols, though no public one."""

    def __init__(self, tape: Tape, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._factory: Callable[[], ResponseHandler] = lambda: _TapedHandler(self._loop, tape)  # type: ignore[assignment]

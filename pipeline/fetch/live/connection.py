"""A connection to a server: one request at a time goes out, and its answer comes back before a deadline."""

import asyncio

from pipeline.fetch.live.recording import Recording, Stop

READ_BYTES = 1 << 16
"""Most bytes that are taken from a connection at once."""


class Connection(asyncio.BufferedProtocol):
    """One connection. Made by the loop, see `connecting.connect`."""

    def __init__(self, buffer: memoryview, address: str) -> None:
        """Get ready. buffer: where bytes arrive; connections of one loop may share it. address: of the server."""
        self.address = address
        self.recording = Recording()
        self.first_byte_at: float | None = None
        """When the answer began to come, by the loop's clock."""
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._answered: asyncio.Future[bool] | None = None
        self._transport: asyncio.Transport

    async def ask(self, request: bytes, stop: Stop, until: float) -> bool:
        """Send a request and wait for the end of its answer: see `recording`. False when it has not come by `until`."""
        self.first_byte_at = None
        self.recording.begin(stop)
        self._answered = self._loop.create_future()
        timer = self._loop.call_at(until, self._tell, False)
        self._transport.write(request)
        try:
            return await self._answered
        finally:
            timer.cancel()
            self._answered = None

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self.recording.keeps and not self._transport.is_closing()

    async def close(self) -> None:
        """Close it, and wait until it is."""
        self._transport.abort()
        await self._lost

    def _tell(self, answered: bool) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(answered)

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where bytes are to go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        if self.first_byte_at is None:
            self.first_byte_at = self._loop.time()
        if self.recording.add(bytes(self._buffer[:nbytes])):
            self._tell(True)

    def eof_received(self) -> None:
        """The server has nothing more to say; the loop closes the connection."""
        self.recording.end(None)
        self._tell(True)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.recording.end(exc)
        self._tell(True)
        if not self._lost.done():
            self._lost.set_result(None)

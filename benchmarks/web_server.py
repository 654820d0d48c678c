"""A server that does as little as a server can, so that whoever asks it is what is measured.

`python -m benchmarks.web_server BYTES CODING`: answers every path on every loopback address with the same page of about
so many bytes, packed when CODING is gzip; robots.txt with 404. Prints its port. Told `report` on stdin, it prints as
JSON how many requests there were, the most connections that one address had at a time, and the shortest gap between two
requests.
"""

import asyncio
import gzip
import json
import random
import sys
import time
from collections import Counter

WORDS = 4000
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"


def text(size: int) -> bytes:
    """Words in the frequencies of a language, so that it packs as text does: to about a third."""
    choice = random.Random(1)
    words = ["".join(choice.choices("etaoinshrdlu", k=choice.randint(2, 9))) for _ in range(WORDS)]
    weights = [1 / rank for rank in range(1, WORDS + 1)]
    paragraphs = (" ".join(choice.choices(words, weights, k=80)) for _ in range(size // 480 + 1))
    return "".join(f"<p>{each}</p>\n" for each in paragraphs).encode()[:size]


class Counts:
    def __init__(self) -> None:
        self.requests = 0
        self.open: Counter[str] = Counter()
        self.most_open = 0
        self.last: dict[str, float] = {}
        self.shortest_gap = float("inf")

    def request(self, address: str) -> None:
        now = time.monotonic()
        self.requests += 1
        self.shortest_gap = min(self.shortest_gap, now - self.last.get(address, -1e9))
        self.last[address] = now

    def report(self) -> str:
        told = {"requests": self.requests, "most_open": self.most_open, "shortest_gap": self.shortest_gap}
        self.__init__()  # type: ignore[misc]
        return json.dumps(told)


class Answering(asyncio.Protocol):
    def __init__(self, page: bytes, counts: Counts) -> None:
        self._page = page
        self._counts = counts
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._address = transport.get_extra_info("sockname")[0]
        self._counts.open[self._address] += 1
        self._counts.most_open = max(self._counts.most_open, self._counts.open[self._address])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._counts.open[self._address] -= 1

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while b"\r\n\r\n" in self._rest:
            head, _, self._rest = self._rest.partition(b"\r\n\r\n")
            self._counts.request(self._address)
            self._transport.write(NOT_FOUND if head.startswith(b"GET /robots.txt") else self._page)


async def main() -> None:
    body = text(int(sys.argv[1]))
    coding = ""
    if sys.argv[2] == "gzip":
        body, coding = gzip.compress(body, 6), "Content-Encoding: gzip\r\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{coding}Content-Length: {len(body)}\r\n\r\n"
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(head.encode() + body, counts), "0.0.0.0", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(counts.report(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""A name server on loopback that does as it is told, and a look-up that asks it: real questions over real sockets."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

Answer = Callable[[str], str | None]
"""A name -> its IPv4 address; empty where there is no such name; None to say nothing."""

SECONDS = 0.3
_NO_SUCH_NAME = 3


def _question(packet: bytes) -> tuple[str, int]:
    """The name that a query asks for, and where the question ends."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), at + 5


def _reply(packet: bytes, address: str) -> bytes:
    _, end = _question(packet)
    flags = 0x8180 | (0 if address else _NO_SUCH_NAME)
    head = packet[:2] + struct.pack(">HHHHH", flags, 1, bool(address), 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address) if address else b""
    return head + packet[12:end] + record


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[Callable[[str], Sequence[str]]]:
    """A look-up that asks a server of its own, which is there while the block runs."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    place = server.getsockname()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                packet, sender = server.recvfrom(512)
                if len(packet) < 12:
                    return
                address = answer(_question(packet)[0])
                if address is not None:
                    server.sendto(_reply(packet, address), sender)

    def look_up(host: str) -> Sequence[str]:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
        query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(SECONDS)
            client.sendto(query, place)
            try:
                said = client.recv(512)
            except TimeoutError:
                raise socket.gaierror(socket.EAI_AGAIN, "no answer") from None
        if said[3] & 15 == _NO_SUCH_NAME:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [socket.inet_ntoa(said[-4:])]

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield look_up
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", place)
        thread.join(5)
        server.close()

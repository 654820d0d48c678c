"""Connections to addresses that may be reached, and to no others."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

from pipeline.fetch.live.addresses import ForbiddenAddressError, Network, require_reachable
from pipeline.fetch.live.connection import Connection

CONNECT_SECONDS = 10.0
"""To connect, TLS included."""


class NoConnectionError(OSError):
    """None within CONNECT_SECONDS."""


async def connect(
    host: str,
    addresses: Sequence[str],
    port: int,
    tls: ssl.SSLContext | None,
    allowed: Sequence[Network],
    buffer: memoryview,
) -> Connection:
    """A connection to the first of the addresses that takes one.

    host: whose name the certificate must carry. tls: None for plain text. Raises OSError: of its kinds
    ForbiddenAddressError when an address may not be reached, ssl.SSLError where TLS fails, NoConnectionError after
    CONNECT_SECONDS.
    """
    errors: list[OSError] = []
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            for address in addresses:
                try:
                    return await _connect_to(address, host, port, tls, allowed, buffer)
                except (ForbiddenAddressError, ssl.SSLError):
                    raise
                except OSError as error:
                    errors.append(error)
    except TimeoutError:
        raise NoConnectionError(f"no connection within {CONNECT_SECONDS:g} s") from None
    raise errors[0] if errors else OSError("no address")


async def _connect_to(
    address: str,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    allowed: Sequence[Network],
    buffer: memoryview,
) -> Connection:
    require_reachable(address, allowed)
    loop = asyncio.get_running_loop()
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(opened, (address, port))
        reached = str(opened.getpeername()[0])
        require_reachable(reached, allowed)
    except BaseException:
        opened.close()
        raise
    # From here on the socket is the loop's: whoever else closed it might close what has come to have its number.
    name = host.strip("[]").rstrip(".") if tls else None
    _, connection = await loop.create_connection(
        lambda: Connection(buffer, reached), sock=opened, ssl=tls, server_hostname=name
    )
    return connection

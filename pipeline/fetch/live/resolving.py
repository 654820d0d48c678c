"""Names to addresses that may be reached.

An address is looked at when a name is resolved, again before a socket is led there, and a third time when the socket
stands (see `connecting`). A name that gives another address the second time gains nothing by that.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

from pipeline.fetch.live.addresses import ForbiddenAddressError, Network, forbidden, literal

LookUp = Callable[[str], Sequence[str]]
"""A host's name -> its addresses as text, the preferred one first. Blocks; raises OSError when there are none."""

REMEMBERED_SECONDS = 600.0
REMEMBERED_NAMES = 20_000


def system_look_up(host: str) -> Sequence[str]:
    """The addresses that the system gives: the hosts file, then name servers."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class GuardedResolver:
    """Asks for addresses on threads, remembers them for a while, and gives only those that may be reached."""

    def __init__(
        self,
        executor: Executor,
        allowed: Sequence[Network] = (),
        look_up: LookUp = system_look_up,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executor = executor
        self._allowed = allowed
        self._look_up = look_up
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[float, Mapping[str, str | None]]] = OrderedDict()

    def known(self, host: str) -> str | None:
        """The address that is tried first, when it is remembered and may be reached."""
        known = self._remembered.get(host)
        if known is None or self._clock() >= known[0]:
            return None
        return next((address for address, kind in known[1].items() if kind is None), None)

    async def addresses(self, host: str) -> list[str]:
        """The reachable addresses of a name; an address that is written out is its own.

        Raises ForbiddenAddressError when it has addresses and none of them may be reached, OSError when it has none.
        """
        now = self._clock()
        known = self._remembered.get(host)
        if known is None or now >= known[0]:
            given = [host.strip("[]")] if literal(host) is not None else await self._look_up_on_thread(host)
            known = (now + REMEMBERED_SECONDS, {address: _kind(address, self._allowed) for address in given})
            self._remembered[host] = known
            self._remembered.move_to_end(host)
            if len(self._remembered) > REMEMBERED_NAMES:
                self._remembered.popitem(last=False)
        reachable = [address for address, kind in known[1].items() if kind is None]
        if not reachable:
            raise ForbiddenAddressError(", ".join(f"{address} is {kind}" for address, kind in known[1].items()))
        return reachable

    async def _look_up_on_thread(self, host: str) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(self._executor, self._look_up, host)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return found


def _kind(address: str, allowed: Sequence[Network]) -> str | None:
    parsed = literal(address)
    return "no address" if parsed is None else forbidden(parsed, allowed)


def is_final(error: OSError) -> bool:
    """Whether name servers said that there is no such name, or no address of it: asking again does not help."""
    return isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}

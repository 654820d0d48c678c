"""Names: whether a resolver answers, how many a second, and whether it tells the truth about those that do not exist.

A resolver that is too slow, or that answers everything with the address of a page of advertisements, is what ruins a
large fetch first: dead links look alive, and live ones time out.
"""

import queue
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import fsspec

from pipeline import urls
from pipeline.doctor.findings import Finding, ok, problem, warning
from pipeline.fetch.live.addresses import literal
from pipeline.fetch.live.crawl import RESOLVER_THREADS
from pipeline.fetch.live.resolving import LookUp, is_final
from webtext.errors import UserError
from webtext.filesystems import reaching

MOST_NAMES = 200
LONGEST_SECONDS = 20.0
"""What is not answered by then counts as not answered."""
ENOUGH_NAMES = 4
"""Of so many, one should exist."""
MOST_UNANSWERED = 0.05
"""A larger share that times out spoils the fetch: a twentieth of the links would be lost to the resolver."""
STOCK = (
    "archive.org", "commoncrawl.org", "example.com", "example.net", "example.org", "iana.org", "kernel.org",
    "python.org", "reddit.com", "w3.org", "wikipedia.org",
)  # fmt: skip
"""What is asked for where nobody knows the links yet."""
_LIST_BYTES = 1 << 20


class Answers(NamedTuple):
    """What came of looking names up.

    asked: names. found, absent: those that have an address, and those that a name server said do not exist. seconds:
    all of it took. invented: made-up names, and the addresses that the resolver has for them.
    """

    asked: int
    found: int
    absent: int
    seconds: float
    invented: Mapping[str, Sequence[str]] = {}

    @property
    def unanswered(self) -> int:
        """Names about which nobody said anything."""
        return self.asked - self.found - self.absent

    @property
    def rate(self) -> float:
        """Answers a second, once all threads have something to ask."""
        busy = min(self.asked, RESOLVER_THREADS) / RESOLVER_THREADS
        return (self.found + self.absent) / max(self.seconds, 1e-9) / busy


def made_up() -> list[str]:
    """Names that nobody has: in a domain that is reserved for that (RFC 6761), and where resolvers like to lie."""
    return [f"webtext-{secrets.token_hex(12)}.{suffix}" for suffix in ("invalid", "com", "org")]


def listed(files: Iterable[str]) -> list[str]:
    """Hosts of the first addresses in lists of them, each once; addresses written out are left out."""
    found: dict[str, None] = {}
    for path in files:
        for line in _beginning(path).splitlines():
            address = urls.normalise(line.strip())
            host = urls.host(address) if address else ""
            if host and literal(host) is None:
                found[host] = None
            if len(found) == MOST_NAMES:
                return list(found)
    return list(found)


def _beginning(path: str) -> str:
    try:
        with reaching(path, "read"), fsspec.open(path, "rb", compression="infer") as file:
            return bytes(file.read(_LIST_BYTES)).decode(errors="replace")
    except (OSError, UserError):
        return ""  # that it cannot be read is said elsewhere


def look(names: Sequence[str], invented: Sequence[str], look_up: LookUp) -> Answers:
    """Look names up as the fetcher does, on as many threads; then those that cannot exist."""
    start = time.monotonic()
    answers = _on_threads(names, look_up)
    seconds = time.monotonic() - start
    lies = _on_threads(invented, look_up)
    return Answers(
        asked=len(names),
        found=sum(bool(answer) for answer in answers.values()),
        absent=sum(answer is not None and not answer for answer in answers.values()),
        seconds=seconds,
        invented={name: answer for name, answer in lies.items() if answer},
    )


def _on_threads(names: Sequence[str], look_up: LookUp) -> dict[str, Sequence[str] | None]:
    """Addresses by name, none for a name that does not exist, None where nothing was said in time.

    The threads are not waited for: a look-up cannot be stopped, and may take half a minute.
    """
    wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
    answered: queue.SimpleQueue[tuple[str, Sequence[str] | None]] = queue.SimpleQueue()
    for name in names:
        wanted.put(name)

    def work() -> None:
        while True:
            try:
                name = wanted.get_nowait()
            except queue.Empty:
                return
            answered.put((name, _addresses(name, look_up)))

    for _ in range(min(RESOLVER_THREADS, len(names))):
        threading.Thread(target=work, daemon=True).start()
    found: dict[str, Sequence[str] | None] = dict.fromkeys(names)
    until = time.monotonic() + LONGEST_SECONDS
    for _ in names:
        try:
            name, addresses = answered.get(timeout=max(until - time.monotonic(), 0))
        except queue.Empty:
            break
        found[name] = addresses
    return found


def _addresses(name: str, look_up: LookUp) -> Sequence[str] | None:
    try:
        return look_up(name)
    except socket.gaierror as error:
        return () if is_final(error) else None
    except (OSError, UnicodeError):
        return None


def none_needed() -> Finding:
    """No link has a name that is to be looked up."""
    return ok("names", "all links name addresses, none needs to be looked up.")


def check(answers: Answers, concurrency: int) -> Iterator[Finding]:
    """What a resolver is good for. concurrency: requests in flight, each of which may need a name that is new."""
    if not answers.found and not answers.absent:
        yield problem(
            "names",
            "no name server answers: look at /etc/resolv.conf and at the way to the net, without which every link "
            "ends as dns_error.",
        )
        return
    if not answers.found and answers.asked >= ENOUGH_NAMES:
        yield problem(
            "names",
            f"the resolver knows none of {answers.asked} names: either all links are dead, or this machine has no way "
            "to the net; look at /etc/resolv.conf.",
        )
        return
    told = f"{answers.asked} names in {answers.seconds:.2f} s, {answers.rate:,.0f} a second"
    if answers.unanswered > MOST_UNANSWERED * answers.asked:
        yield problem(
            "names",
            f"{told}, and {answers.unanswered} were not answered: run a caching resolver on this machine (unbound), or "
            "name a faster one in /etc/resolv.conf.",
        )
    elif answers.rate < concurrency / 2:
        yield warning(
            "names",
            f"{told}: too few for fetch.concurrency={concurrency}, where each link may be at a host of its own; run a "
            f"caching resolver on this machine (unbound), or set fetch.concurrency={max(1, int(answers.rate))}.",
        )
    else:
        yield ok("names", f"{told}.")
    if answers.invented:
        name, addresses = next(iter(answers.invented.items()))
        yield problem(
            "names",
            f"the resolver makes up answers: {name} does not exist, and has the address {addresses[0]}; dead links "
            "would get that one's pages: name another resolver in /etc/resolv.conf.",
        )

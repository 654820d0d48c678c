"""The live fetcher beside a bare aiohttp loop and Scrapy, its politeness in full size, and its memory, on loopback.

Prints pages a second with all waiting off, robots.txt, journal and WARC included, as a share of what a loop reaches
that asks with the same concurrency and throws the pages away, and as a multiple of what Scrapy reaches that stores
them, by the clock and by processors' time; then, with waiting, the time over what politeness alone takes, as the server
saw it; then resident memory on the way through many links.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.fetch_peers import Cost, bare, cost_of, scrapy, scrapy_python
from pipeline import urls
from pipeline.fetch.live.crawl import Crawl
from pipeline.fetch.live.journal import Journal
from pipeline.fetch.live.links import Links, links_table
from pipeline.fetch.live.politeness import Manners
from pipeline.fetch.live.rules import FetchRules

MEGABYTE = 1 << 20


class Server:
    """The web server, in a process of its own."""

    def __init__(self, page_bytes: int, coding: str) -> None:
        command = [sys.executable, "-m", "benchmarks.web_server", str(page_bytes), coding]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def report(self) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        told: dict[str, float] = json.loads(self._line())
        return told

    def addresses(self, hosts: int, links: int) -> list[str]:
        return [f"http://127.5.{n % hosts // 250}.{n % hosts % 250 + 1}:{self.port}/{n // hosts}" for n in range(links)]

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def serving(page_bytes: int, coding: str) -> Iterator[Server]:
    server = Server(page_bytes, coding)
    try:
        yield server
    finally:
        server.stop()


def ours(addresses: Sequence[str], concurrency: int, delay: float) -> Cost:
    """Crawl all addresses into a temporary folder."""
    rules = FetchRules(
        contact="https://example.org/bot",
        manners=Manners(delay, host_budget=1 << 40),
        concurrency=concurrency,
        allow_networks=("127.0.0.0/8",),
    )
    links = Links(links_table((urls.link_id(address), [address]) for address in addresses))
    with tempfile.TemporaryDirectory() as folder:
        with Journal(folder, "live-00000-of-00001") as journal:
            crawl = Crawl(links, journal, folder, rules)
            cost = cost_of(lambda: asyncio.run(crawl.run("benchmark")))
            ends = [event["outcome"] for _, event in crawl.endings()]
        assert ends.count("fetched") == len(addresses), ends[:5]
        written = sum(path.stat().st_size for path in Path(folder).glob("*.warc.gz"))
    print(f"  {written / MEGABYTE:,.0f} MB of WARC", flush=True)
    return cost


def measure_speed(
    page_bytes: int, coding: str, links: int, hosts: int, concurrency: int, rounds: int, python: str
) -> None:
    load = os.getloadavg()[0]
    print(
        f"speed: {links:,} pages of {page_bytes:,} bytes ({coding}), {hosts} hosts, {concurrency} in flight; load of "
        f"the machine {load:.1f}",
        flush=True,
    )
    shares: list[Cost] = []
    times: list[Cost] = []
    with serving(page_bytes, coding) as server:
        addresses = server.addresses(hosts, links)
        bare(addresses[:1000], concurrency)
        for _ in range(rounds):
            loop, crawl = bare(addresses, concurrency), ours(addresses, concurrency, 0.0)
            shares.append(_ratio(loop, crawl))
            told = [f"bare {_rates(loop, links)}", f"webtext {_rates(crawl, links)}"]
            if python:
                peer = scrapy(python, addresses[: links // 4], concurrency)
                times.append(_ratio(Cost(*(4 * part for part in peer)), crawl))
                told.append(f"Scrapy {_rates(peer, links // 4)}")
            print(f"  pages/s: {', '.join(told)}", flush=True)
    print(f"  share of the bare loop: {_median(shares)}", flush=True)
    if times:
        print(f"  times Scrapy: {_median(times)}", flush=True)


def _ratio(theirs: Cost, own: Cost) -> Cost:
    return Cost(theirs.clock / own.clock, theirs.processor / own.processor)


def _rates(cost: Cost, pages: int) -> str:
    return f"{pages / cost.clock:,.0f} ({pages / cost.processor:,.0f} a processor)"


def _median(ratios: Sequence[Cost]) -> str:
    clock, processor = (statistics.median(part) for part in zip(*ratios, strict=True))
    return f"{clock:.2f} by the clock, {processor:.2f} by processors' time"


def measure_politeness(links: int, hosts: int, concurrency: int, delay: float) -> None:
    print(f"politeness: {links:,} links at {hosts} hosts, {delay:g} s between requests", flush=True)
    with serving(20_000, "gzip") as server:
        seconds = ours(server.addresses(hosts, links), concurrency, delay).clock
        seen = server.report()
        bound = links / hosts * delay
        print(
            f"  {seconds:.1f} s, {seconds / bound:.2f} of the bound of {bound:.1f} s; most connections to a host "
            f"{seen['most_open']}, shortest gap {seen['shortest_gap']:.4f} s, {seen['requests']:,} requests",
            flush=True,
        )


def measure_memory(links: int, hosts: int, concurrency: int) -> None:
    print(f"memory: {links:,} links, every tenth of the time", flush=True)
    samples: list[tuple[float, float]] = []
    done = threading.Event()

    def watch() -> None:
        process = psutil.Process()
        while not done.wait(0.25):
            samples.append((time.monotonic(), process.memory_info().rss / MEGABYTE))

    with serving(20_000, "gzip") as server:
        thread = threading.Thread(target=watch)
        addresses = server.addresses(hosts, links)
        thread.start()
        try:
            ours(addresses, concurrency, 0.0)
        finally:
            done.set()
            thread.join()
    tenths = [samples[len(samples) * tenth // 10][1] for tenth in range(1, 10)]
    print("  MB: " + ", ".join(f"{each:.0f}" for each in tenths), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["speed", "politeness"], choices=["speed", "politeness", "memory"])
    parser.add_argument("--links", type=int, default=20_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--page-bytes", type=int, default=20_000)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scrapy", metavar="PYTHON", help="a Python that has Scrapy; else one is made in the cache")
    parser.add_argument("--no-scrapy", action="store_true")
    given = parser.parse_args()
    if "speed" in given.what:
        python = "" if given.no_scrapy else given.scrapy or scrapy_python()
        for coding in ("gzip", "plain"):
            measure_speed(
                given.page_bytes, coding, given.links // 4, given.hosts, given.concurrency, given.rounds, python
            )
    if "politeness" in given.what:
        measure_politeness(given.links, given.hosts, given.concurrency, given.delay)
    if "memory" in given.what:
        measure_memory(given.links, given.hosts, given.concurrency)


if __name__ == "__main__":
    main()

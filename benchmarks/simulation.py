"""How long fetching all of WebText's links takes, and on how many machines: a model of the web and of the fetcher.

Hosts are as large as OpenAI's list of WebText's top 1,000 domains says, continued by a power law to where a domain has
one link. What is not known of today's web is assumed, and printed: every assumption is an option. The fetcher's part is
its own rules (`pipeline.fetch.live.politeness`) and what `benchmarks.fetching` measures. `--check` holds the model
against a crawl on loopback.

    python -m benchmarks.simulation --domains domains.txt
"""

import argparse
import dataclasses
import itertools
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.material import shared_data
from pipeline.fetch.live.crawl import MAX_PER_ADDRESS
from pipeline.fetch.live.politeness import LATENCY_FACTOR, LONGEST_DELAY
from pipeline.fetch.live.transfer import CONNECT_SECONDS
from webtext.pace import in_words

WEBTEXT_LINKS = 45_000_000
"""Of which the list's counts are a part (GPT-2 paper, section 2.1)."""
SUBDOMAINS = frozenset(
    {
        *(
            "angelfire",
            "bandcamp",
            "blogspot",
            "craigslist",
            "deviantart",
            "fanfiction",
            "freewebs",
            "livejournal",
            "ning",
        ),
        *("posterous", "squarespace", "tripod", "typepad", "webs", "weebly", "wikia", "wordpress", "xanga", "yuku"),
    }
)
"""Domains whose users each have a host of their own."""
LINKS_A_SUBDOMAIN = 20
TRIES = 3
"""Of a host that does not answer, until its robots.txt is given up."""

Counts = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Web:
    """What is assumed of the web."""

    dead: float
    """Share of links that have no page any more."""
    dead_hosts: float
    """Of those, the share whose whole domain is gone (Pew 2024: 9 of 25)."""
    silent: float
    """Of domains that are gone, the share whose name still leads to an address that does not answer."""
    redirects: float
    """Requests for a link beyond the first: from http to https, mostly."""
    latency: float
    """Seconds to the first byte, the median over hosts; spread log-normally."""
    spread: float
    transfer: float
    """Seconds from the first byte to the last."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a user decides. budget: links of a host; concurrency: requests in flight on one machine; files: that a site
    is asked for beside its pages, robots.txt and those of `fetch.opt_out_files`."""

    delay: float
    budget: float
    concurrency: int
    files: int = 1


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What comes of a setting. asked: links that are asked for, the others being deferred; pages: those that have one.

    longest: seconds of the slowest domain; slowest: how it looks; work: seconds of all requests on one machine.
    """

    links: float
    asked: float
    pages: float
    requests: float
    longest: float
    slowest: str
    work: float

    def seconds(self, machines: int) -> float:
        """A domain is on one machine; the rest is shared out."""
        return max(self.longest, self.work / machines)

    @property
    def machines(self) -> int:
        """As many as make the whole no faster than its slowest domain."""
        return max(1, int(np.ceil(self.work / self.longest)))


def read_domains(path: Path) -> tuple[Counts, list[str]]:
    """The list: counts in falling order, and names. One of its lines has a count and no name."""
    rows = [line.split(" ", 1) for line in path.read_text().splitlines() if line.strip()]
    return np.array([float(row[0]) for row in rows]), [row[1] if len(row) > 1 else "" for row in rows]


def tail(least: float, ranks: int, links: float) -> Counts:
    """Domains beyond a list's last rank, which has `least` links: a power law that ends where a domain has one link.

    Its exponent is the one with which the domains have so many links together.
    """
    low, high = 0.3, 3.0
    for _ in range(50):
        exponent = (low + high) / 2
        low, high = (exponent, high) if _links_beyond(least, ranks, exponent) > links else (low, exponent)
    last = int(ranks * least ** (1 / high))
    return least * (np.arange(ranks + 1, last + 1) / ranks) ** -high


def _links_beyond(least: float, ranks: int, exponent: float) -> float:
    """The area below the power law, from the last rank to where it has come down to one."""
    return float(least * ranks * (1 - least ** (1 / exponent - 1)) / (exponent - 1))


def domains_of(counts: Counts, links: float) -> Counts:
    """The links of every domain in a job of so many, in falling order, those of the list first."""
    rest = tail(float(counts[-1]), len(counts), WEBTEXT_LINKS - float(counts.sum()))
    return np.concatenate([counts, rest]) * links / WEBTEXT_LINKS


def simulate(
    sizes: Counts, names: list[str], web: Web, setting: Setting, machine_rate: float, seed: int = 0
) -> Outcome:
    """The job under a setting. machine_rate: pages a second that a machine can take at most."""
    random = np.random.default_rng(seed)
    count = len(sizes)
    latency = web.latency * np.exp(web.spread * random.standard_normal(count))
    gap = np.maximum(setting.delay, np.minimum(LATENCY_FACTOR * latency, LONGEST_DELAY)) if setting.delay else latency
    # The domains of the list are there; those that are gone are among the others.
    listed = np.arange(count) < len(names)
    gone_share = web.dead * web.dead_hosts * sizes.sum() / max(sizes[~listed].sum(), 1)
    gone = ~listed & (random.random(count) < gone_share)
    silent = gone & (random.random(count) < web.silent)

    many_hosts = np.array([name in SUBDOMAINS for name in names] + [False] * (count - len(names)))
    asked = np.where(gone | many_hosts, sizes, np.minimum(sizes, setting.budget))
    requests = np.where(gone, np.where(silent, TRIES, 0), asked * (1 + web.redirects) + setting.files)
    in_flight = np.where(gone, CONNECT_SECONDS, latency + web.transfer)
    # Hosts of one domain are asked beside each other, but so many at most, as they share an address.
    beside = np.maximum(in_flight / MAX_PER_ADDRESS, gap / np.maximum(sizes / LINKS_A_SUBDOMAIN, 1))
    seconds = requests * np.where(many_hosts, beside, gap)
    seconds = np.where(gone, requests * CONNECT_SECONDS, seconds)
    slowest = int(seconds.argmax())
    hosts = f"many hosts of {names[slowest]}" if many_hosts[slowest] else f"one host, {gap[slowest]:.1f} s apart"
    work = max(float((requests * in_flight).sum()) / setting.concurrency, float(requests.sum()) / machine_rate)
    page_dead = web.dead * (1 - web.dead_hosts) / (1 - web.dead * web.dead_hosts)
    return Outcome(
        links=float(sizes.sum()),
        asked=float(asked.sum()),
        pages=float(asked[~gone].sum()) * (1 - page_dead),
        requests=float(requests.sum()),
        longest=float(seconds[slowest]),
        slowest=f"{asked[slowest]:,.0f} links at {hosts}",
        work=work,
    )


def print_table(counts: Counts, names: list[str], web: Web, given: argparse.Namespace) -> None:
    columns = ("links", "delay", "host budget", "in flight", "asked", "pages", "requests", "slowest domain")
    print(f"| {' | '.join((*columns, 'one machine', 'machines', 'then'))} |\n{'|---' * 11}|")
    for links in given.links:
        sizes = domains_of(counts, links)
        for delay, budget, concurrency in itertools.product(given.delay, given.budget, given.concurrency):
            setting = Setting(delay, budget or float("inf"), concurrency, given.files)
            found = simulate(sizes, names, web, setting, given.pages_per_second)
            print(
                f"| {links / 1e6:.0f} M | {delay:g} s | {f'{budget:,}' if budget else 'none'} | {concurrency:,} "
                f"| {found.asked / found.links:.0%} | {found.pages / 1e6:.1f} M | {found.requests / 1e6:.0f} M "
                f"| {found.slowest}: {in_words(found.longest)} | {in_words(found.seconds(1))} "
                f"| {found.machines} | {in_words(found.seconds(found.machines))} |"
            )


def check(counts: Counts, links: int, delay: float, concurrency: int) -> None:
    """A crawl of a small web with the same sizes of hosts, all of it there and quick, beside what the model says."""
    from benchmarks import fetching

    sizes = np.round(domains_of(counts, links)).astype(int)
    sizes = sizes[sizes > 0]
    with fetching.serving(20_000, "gzip") as server:
        addresses = [
            f"http://127.{6 + host // 62_500}.{host % 62_500 // 250}.{host % 250 + 1}:{server.port}/{number}"
            for host, size in enumerate(sizes)
            for number in range(size)
        ]
        start = time.perf_counter()
        fetching.ours(addresses, concurrency, delay)
        seconds = time.perf_counter() - start
        seen = server.report()
    web = Web(0.0, 0.0, 0.0, 0.0, 0.001, 0.0, 0.001)
    setting = Setting(delay, float("inf"), concurrency)
    told = simulate(sizes.astype(float), [], web, setting, machine_rate=float("inf"))
    print(
        f"{len(addresses):,} links at {len(sizes):,} hosts, the largest has {sizes[0]:,}, {delay:g} s apart: the model "
        f"says {told.seconds(1):.1f} s, it took {seconds:.1f} s ({seconds / told.seconds(1):.2f}); "
        f"{seen['requests']:,} requests"
    )


def main() -> None:
    default = shared_data() / "webtext" / "domains.txt"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=Path, default=default, help="OpenAI's list (default: below WEBTEXT_DATA)")
    parser.add_argument("--links", type=float, nargs="+", default=[23e6, 45e6])
    parser.add_argument("--delay", type=float, nargs="+", default=[1.0, 5.0])
    parser.add_argument("--budget", type=int, nargs="+", default=[1000, 10_000, 0], help="links of a host; 0: all")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[128, 1024])
    parser.add_argument("--files", type=int, default=1, help="that a site is asked for beside its pages")
    parser.add_argument("--pages-per-second", type=float, default=1000.0, help="that one process can take at most")
    parser.add_argument("--dead", type=float, default=0.5)
    parser.add_argument("--dead-hosts", type=float, default=0.36)
    parser.add_argument("--silent", type=float, default=0.4)
    parser.add_argument("--redirects", type=float, default=0.7)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--spread", type=float, default=0.8)
    parser.add_argument("--transfer", type=float, default=0.3)
    parser.add_argument("--check", action="store_true", help="hold the model against a crawl on loopback")
    given = parser.parse_args()
    if not given.domains.is_file():
        print(f"no list of domains at {given.domains}: name one with --domains")
        return
    counts, names = read_domains(given.domains)
    if given.check:
        check(counts, links=20_000, delay=0.05, concurrency=64)
        return
    web = Web(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Web)})
    print(f"assumed: {', '.join(f'{name} {value:g}' for name, value in dataclasses.asdict(web).items())}")
    sizes = domains_of(counts, WEBTEXT_LINKS)
    print(f"{len(sizes):,} domains; the largest has {sizes[0]:,.0f} links, the median {np.median(sizes):.1f}\n")
    print_table(counts, names, web, given)


if __name__ == "__main__":
    main()

"""A crawl over a web on loopback, and how its links ended."""

import asyncio
import dataclasses
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import urls
from pipeline.fetch.live.crawl import Crawl
from pipeline.fetch.live.journal import Event, Journal
from pipeline.fetch.live.links import Links, links_table
from pipeline.fetch.live.politeness import Manners
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.surroundings import Surroundings

NAME = "live-00000-of-00001"
AT_ONCE = FetchRules(
    contact="https://example.org/bot",
    manners=Manners(delay_seconds=0.0),
    concurrency=32,
    deadline_seconds=2.0,
    max_bytes=200_000,
    allow_networks=("127.0.0.0/8",),
)
"""Without waiting, and quick to lose patience."""


def politely(delay: float, **changes: Any) -> FetchRules:
    return dataclasses.replace(AT_ONCE, manners=Manners(delay_seconds=delay), **changes)


def hosts_file(names: Mapping[str, Sequence[str]]) -> Any:
    """A resolver that knows these names."""

    def look_up(host: str) -> Sequence[str]:
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return names[host]

    return look_up


def table_of(addresses: Sequence[str]) -> Any:
    normal = [urls.normalise(address) or "" for address in addresses]
    return links_table((urls.link_id(each), [each]) for each in normal)


@dataclasses.dataclass
class Crawled:
    """How links ended, by address."""

    events: dict[str, Event]
    folder: Path
    crawl: Crawl

    def end(self, url: str) -> tuple[str, str]:
        event = self.events[urls.normalise(url) or ""]
        return event["outcome"], event["reason"]


def crawl(
    folder: Path,
    addresses: Sequence[str],
    rules: FetchRules = AT_ONCE,
    around: Surroundings | None = None,
    key: str = "key",
) -> Crawled:
    links = Links(table_of(addresses))
    with Journal(str(folder), NAME) as journal:
        crawl = Crawl(links, journal, str(folder), rules, around or Surroundings())
        asyncio.run(crawl.run(key))
        endings = list(crawl.endings())
    assert sorted(link_id for link_id, _ in endings) == [links.id(row) for row in range(len(links))]
    return Crawled({event["url"]: event for _, event in endings}, folder, crawl)

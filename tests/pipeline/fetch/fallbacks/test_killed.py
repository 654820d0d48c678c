"""`kill -9` while archives are asked: nothing is lost, and what has been answered is not asked again."""

import asyncio
import gzip
import json
import subprocess
import sys
import urllib.parse
from collections import Counter
from pathlib import Path

import pytest

from pipeline.fetch.fallbacks import commoncrawl, wayback
from tests.conftest import CHECKOUT
from tests.pipeline.fetch.fallbacks import killing
from tests.pipeline.fetch.fallbacks.asked import ask
from tests.pipeline.fetch.fallbacks.killing import STAMP, addresses
from tests.pipeline.fetch.fallbacks.services import CommonCrawlHost, Crawled, Snapshot, WaybackMachine
from tests.pipeline.fetch.live.web import Answer, Behaviour, Hit, serving

KILLS = 5
LINKS = list(addresses())
HELD = [url for number, url in enumerate(LINKS) if number % 3]
MOVED = {url for number, url in enumerate(LINKS) if number % 3 == 1 and number % 2}


def crawled() -> CommonCrawlHost:
    there = [Crawled(url, STAMP, url.encode()) for url in HELD if url not in MOVED]
    moved = [Crawled(url, STAMP, b"", "301 Moved", (f"Location: {url}-moved",)) for url in MOVED]
    targets = [Crawled(f"{url}-moved", STAMP, url.encode()) for url in MOVED]
    return CommonCrawlHost([*there, *moved, *targets])


def machine() -> WaybackMachine:
    there = [Snapshot(url, STAMP, url.encode()) for url in HELD if url not in MOVED]
    moved = [Snapshot(url, STAMP, b"", 301, headers={"Location": f"{url}-moved"}) for url in MOVED]
    targets = [Snapshot(f"{url}-moved", STAMP, url.encode()) for url in MOVED]
    return WaybackMachine([*there, *moved, *targets])


def slowly(archive: Behaviour) -> Behaviour:
    async def behaviour(hit: Hit) -> Answer:
        await asyncio.sleep(0.001)
        return archive(hit)  # type: ignore[return-value]

    return behaviour


@pytest.mark.parametrize(
    ("name", "archive", "in_flight"),
    [("commoncrawl", crawled(), commoncrawl.AT_ONCE), ("wayback", machine(), wayback.AT_ONCE)],
)
def test_killed_at_some_moments(tmp_path: Path, name: str, archive: Behaviour, in_flight: int) -> None:
    with serving(slowly(archive)) as web:
        done = subprocess.run(
            [sys.executable, "-m", killing.__name__, str(tmp_path), name, str(web.port), str(KILLS), "1"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        *kills, last = map(json.loads, done.stdout.splitlines())
        hits = [(hit.at, asked_for(hit)) for hit in web.hits]
        again = ask(tmp_path, name, web, addresses())
        assert len(web.hits) == len(hits), "an archive was asked again when all was known"
    assert len(kills) == KILLS
    assert sorted(last["ends"]) == sorted(LINKS)
    for url, (outcome, detail) in last["ends"].items():
        assert outcome == ("fetched" if url in HELD else "failed"), detail
    for url in HELD:
        assert again.page(url).body == url.encode()
    for kill in kills:
        late = {asked for at, asked in hits if at > kill["killed"]}
        ended = set(kill["ended"]) | {f"index of {url}" for url in kill["ended"]}
        assert not late & ended, "a link that had ended was asked for again"
        assert not late & {question_of(each) for each in kill["questions"]}, "an index was asked again"
    repeated = sum(count - 1 for _, count in Counter(asked for _, asked in hits).items())
    assert repeated <= KILLS * in_flight
    for path in tmp_path.glob(f"{name}-*.warc.gz"):
        gzip.decompress(path.read_bytes())


def asked_for(hit: Hit) -> str:
    """What a request is told apart by."""
    if "/web/" in hit.path:
        return hit.path.partition("id_/")[2]
    return f"{hit.path} {hit.headers.get('range', '')}" if "crawl-data" in hit.path else question_of(hit.path)


def question_of(question: str) -> str:
    """A question to an index: the address that it is about."""
    query = dict(urllib.parse.parse_qsl(question.partition("?")[2]))
    return f"index of {query.get('url', question)}"

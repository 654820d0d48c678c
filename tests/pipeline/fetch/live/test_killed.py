"""`kill -9` at ten moments: nothing is lost, nothing is asked for twice, and what was written is whole."""

import asyncio
import gzip
import json
import subprocess
import sys
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator

from tests.conftest import CHECKOUT
from tests.pipeline.fetch.live.crawling import NAME, crawl
from tests.pipeline.fetch.live.killing import EACH, HOSTS
from tests.pipeline.fetch.live.web import NO_ROBOTS, Answer, Hit, moved, page, serving

KILLS, IN_FLIGHT = 10, 8
ROBOTS = page(b"User-agent: *\nDisallow: /7\n", "200 OK", "Content-Type: text/plain")


async def behaviour(hit: Hit) -> Answer:
    await asyncio.sleep(0.002)
    number = hit.path.lstrip("/")
    last = int(hit.address.rpartition(".")[2])
    if hit.path == "/robots.txt":
        return ROBOTS if last % 2 else NO_ROBOTS
    if number.isdigit() and int(number) % 5 == 0:
        return moved(f"/to/{number}")
    if number.isdigit() and int(number) % 5 == 1:
        return page(b"", "404 Not Found")
    return page(b"<p>" + hit.path.encode() * 500)


def test_killed_at_ten_moments(tmp_path: Path) -> None:
    with serving(behaviour) as web:
        done = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.fetch.live.killing", str(tmp_path), str(web.port), str(KILLS), "1"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        *kills, last = map(json.loads, done.stdout.splitlines())
        hits = [(hit.at, web.url(hit.path, hit.address)) for hit in web.hits]
        asked = len(hits)
        again = crawl(tmp_path, list(last["ends"]))
        assert len(web.hits) == asked, "a finished crawl asked again"
        repeated = {key: count for key, count in web.requests().items() if count > 1}
    assert len(kills) == KILLS
    assert len(last["ends"]) == HOSTS * EACH
    expected = {"fetched": 4 * HOSTS * EACH // 5 - HOSTS // 2, "robots": HOSTS // 2, "http_error": HOSTS * EACH // 5}
    reasons = [reason or outcome for outcome, reason in last["ends"].values()]
    assert {reason: reasons.count(reason) for reason in set(reasons)} == expected
    for kill in kills:
        told = set(kill["told"])
        assert not [url for at, url in hits if at > kill["killed"] and url in told], (
            "a completed link was asked for again"
        )
    assert sum(count - 1 for count in repeated.values()) <= KILLS * IN_FLIGHT
    assert sum("sha256" in event for event in again.events.values()) == expected["fetched"]
    assert whole_records(tmp_path) == {url for url, (outcome, _) in last["ends"].items() if outcome == "fetched"}


def whole_records(folder: Path) -> set[str]:
    """The links whose page lies in the archives, read by warcio and by gzip to the last byte."""
    found = set()
    for path in folder.glob(f"{NAME}-*.warc.gz"):
        gzip.decompress(path.read_bytes())
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                if record.rec_type == "response" and record.http_headers.get_statuscode() == "200":
                    url = record.rec_headers.get_header("WARC-Target-URI")
                    if not url.endswith("/robots.txt"):
                        found.add(url.replace("/to/", "/"))
    return found

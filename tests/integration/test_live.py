"""The command fetching live, from a web on loopback."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline import urls
from pipeline.fetch.live.files import JOURNAL
from tests.integration.conftest import Webtext, begun_with
from tests.integration.rows import rows
from tests.integration.shards import shards
from tests.pipeline.fetch.archive_bytes import http, members, warc
from tests.pipeline.fetch.live.web import Answer, Hit, Web, moved, page, serving

CONTACT = "https://example.org/bot"
STORY = (
    "On the {0} day of the journey the travellers came to a village by the river number {1}. They had walked since the "
    "early morning, and their bread was finished. An old woman who sold apples told them that the bridge had been gone "
    "for years, but that her brother kept a boat. So they waited in her garden until the evening, listened to her "
    "stories about the flood of that spring, and paid with a song. When the boat came at last it was already dark, and "
    "only lamp {0} on the other bank showed them where the road to the mountains went on, past mill {1} and the church."
)


def story(hit: Hit) -> bytes:
    return f"<html><title>{hit.path}</title><p>{STORY.format(hit.path.strip('/'), hit.address)}</p></html>".encode()


def behaviour(hit: Hit) -> Answer:
    if hit.path == "/robots.txt":
        return page(b"User-agent: *\nDisallow: /private", "200 OK", "Content-Type: text/plain")
    if hit.path.startswith("/gone"):
        return page(b"", "404 Not Found")
    if hit.path.startswith("/moved"):
        return moved("/place-of-" + hit.path[1:])
    return page(story(hit))


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(behaviour) as web:
        yield web


class Run:
    def __init__(self, folder: Path, web: Web, addresses: Sequence[str]) -> None:
        self.folder = folder / "run"
        (folder / "urls.txt").write_text("\n".join(addresses))
        self.arguments = (
            *("corpus", "--set", f"output={self.folder}", "--set", f"harvest.urls=[{folder}/urls.txt]"),
            *("--set", "fetch.live=true", "--set", f"fetch.contact={CONTACT}", "--set", "fetch.delay_seconds=0"),
            *("--set", "fetch.allow_networks=[127.0.0.0/8]", "--set", "extract.refuse_low_quality=false"),
            *("--set", "extract.min_words=20", "--set", "extract.workers=1", "--set", "dedup.threshold=1"),
        )

    def pages(self) -> dict[str, dict[str, object]]:
        return {str(row["url"]): row for row in rows(self.folder / "pages" / "index")}

    def ends(self) -> dict[str, tuple[object, object]]:
        return {str(row["url"]): (row["outcome"], row["reason"]) for row in rows(self.folder / "corpus" / "ledger")}


def test_links_that_no_archive_has_are_fetched(tmp_path: Path, web: Web, webtext: Webtext) -> None:
    hosts = [f"127.3.0.{number}" for number in range(1, 5)]
    addresses = [web.url(path, host) for host in hosts for path in ("/1", "/moved", "/gone", "/private/1")]
    archived = web.url("/archived", hosts[0])
    (tmp_path / "a.warc.gz").write_bytes(
        members(
            warc(http(story(Hit(0, "an archive", "/archived", b""))), archived),
            warc(http(b"", "404 Gone"), addresses[0]),
        )
    )
    run = Run(tmp_path, web, [*addresses, archived])
    done = webtext(*run.arguments, "--set", f"fetch.archives=[{tmp_path}/a.warc.gz]")
    assert done.returncode == 0, done.stderr
    pages, ends = run.pages(), run.ends()
    assert (pages[archived]["source"], pages[archived]["outcome"]) == ("warc", "fetched")
    # What an archive answered, if only with an error, is answered.
    assert (pages[addresses[0]]["source"], pages[addresses[0]]["reason"]) == ("warc", "http_error")
    expected = {"/1": ("kept", "kept"), "/moved": ("kept", "kept"), "/gone": ("failed", "http_error")}
    for address in addresses[1:]:
        assert pages[address]["source"] == "live"
        assert ends[address] == expected.get(urls.path(address), ("dropped", "robots")), address
    assert pages[web.url("/moved", hosts[0])]["final_url"] == web.url("/place-of-moved", hosts[0])
    assert all("webtext/" in hit.headers["user-agent"] and CONTACT in hit.headers["user-agent"] for hit in web.hits)
    manifest = json.loads((run.folder / "pages" / "manifest.json").read_text())
    assert [record["path"] for record in manifest["outputs"]][-1] == "live-00000-of-00001-00000.warc.gz"
    assert manifest["counters"]["requests"] == len(web.hits)
    asked = len(web.hits)
    assert webtext(*run.arguments, "--set", f"fetch.archives=[{tmp_path}/a.warc.gz]").returncode == 0
    assert len(web.hits) == asked


def wait_for_hits(web: Web, hits: int) -> None:
    deadline = time.monotonic() + 60
    while len(web.hits) < hits:
        assert time.monotonic() < deadline, "the command asks for nothing"
        time.sleep(0.01)


def told(run: Run) -> set[str]:
    lines = b"".join(path.read_bytes() for path in (run.folder / "pages" / JOURNAL).glob("*.jsonl")).split(b"\n")[:-1]
    return {event["url"] for event in map(json.loads, lines) if "page" in event}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_that_was_stopped_asks_for_nothing_again(
    tmp_path: Path, web: Web, webtext: Webtext, how: signal.Signals
) -> None:
    async def slowly(hit: Hit) -> Answer:
        await asyncio.sleep(0.02)
        return behaviour(hit)

    web.behaviour = slowly
    addresses = [web.url(f"/{number}", f"127.3.1.{number % 4 + 1}") for number in range(200)]
    run = Run(tmp_path, web, addresses)
    with begun_with(*run.arguments) as process:
        wait_for_hits(web, 60)
        os.killpg(process.pid, how)
        _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Traceback" not in errors
    before, asked = told(run), len(web.hits)
    assert 20 <= len(before) < 200
    done = webtext(*run.arguments)
    assert done.returncode == 0, done.stderr
    assert not before & {web.url(hit.path, hit.address) for hit in web.hits[asked:]}
    assert set(run.pages()) == set(addresses)
    assert set(run.ends().values()) == {("kept", "kept")}


def test_another_config_keeps_what_was_fetched(tmp_path: Path, web: Web, webtext: Webtext) -> None:
    addresses = [web.url(f"/{number}") for number in range(12)]
    run = Run(tmp_path, web, addresses)
    budget = ("--set", "fetch.host_budget=10")
    assert webtext(*run.arguments, *budget).returncode == 0
    first = {url for url, row in run.pages().items() if row["outcome"] == "fetched"}
    assert len(first) == 10
    asked = len(web.hits)
    assert webtext(*run.arguments).returncode == 0
    assert {web.url(hit.path) for hit in web.hits[asked:]} - {web.url("/robots.txt")} == set(addresses) - first
    again, release = run.pages(), shards(run.folder)
    assert {row["outcome"] for row in again.values()} == {"fetched"}
    assert webtext(*run.arguments, "--set", "fetch.concurrency=1").returncode == 0
    assert shards(run.folder) == release


def test_a_new_round_asks_again_for_what_was_not_fetched(tmp_path: Path, web: Web, webtext: Webtext) -> None:
    def overloaded(hit: Hit) -> Answer:
        return page(b"", "503 Service Unavailable") if hit.path == "/2" else behaviour(hit)

    run = Run(tmp_path, web, [web.url(path) for path in ("/1", "/2", "/gone")])

    def go(name: str) -> set[str]:
        asked = len(web.hits)
        done = webtext(*run.arguments, "--set", f"fetch.round={name}", "--until=pages")
        assert done.returncode == 0, done.stderr
        return {hit.path for hit in web.hits[asked:]} - {"/robots.txt"}

    web.behaviour = overloaded
    assert go("monday") == {"/1", "/2", "/gone"}
    web.behaviour = behaviour
    assert go("monday") == set()
    assert go("tuesday") == {"/2", "/gone"}
    assert {row["url"]: row["reason"] for row in run.pages().values() if row["outcome"] != "fetched"} == {
        web.url("/gone"): "http_error"
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch.live=true"], "fetch.contact"),
        (["fetch.live=true", "fetch.contact=me"], "fetch.contact"),
        (["fetch.live=true", "fetch.contact=me@example.org\r\nX-A: b"], "fetch.contact"),
        (["fetch.live=true", "fetch.contact=me@example.org", "output=memory://run"], "memory://run"),
        (["fetch.allow_networks=[localhost]"], "localhost"),
        (["fetch.also_obey=[GPT Bot]"], "GPT Bot"),
        (["fetch.delay_seconds=-1"], "fetch.delay_seconds"),
        (["fetch.concurrency=0"], "fetch.concurrency"),
    ],
)
def test_what_a_config_may_not_say(tmp_path: Path, webtext: Webtext, arguments: list[str], words: str) -> None:
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:1/")
    given = [f"output={tmp_path}/run", f"harvest.urls=[{tmp_path}/urls.txt]", *arguments]
    done = webtext("corpus", *(part for each in given for part in ("--set", each)))
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr

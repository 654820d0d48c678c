"""The command on links that are dead: their pages come from archives on the web, played on loopback."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.conftest import Webtext
from tests.integration.rows import Row, rows
from tests.integration.test_live import CONTACT, STORY
from tests.pipeline.fetch.fallbacks.services import CommonCrawlHost, Crawled, Snapshot, WaybackMachine, seconds
from tests.pipeline.fetch.live.web import Answer, Hit, Web, page, serving

POSTED, NEAR, LATER = "20150301000000", "20150304120000", "20190101120000"


def story(name: str) -> bytes:
    return f"<html><title>{name}</title><p>{STORY.format(name, name * 2)}</p></html>".encode()


def live(hit: Hit) -> Answer:
    """A site of today: much of it is gone, and some of it does not want to be read."""
    answers = {
        "/robots.txt": page(b"User-agent: *\nDisallow: /private", "200 OK", "Content-Type: text/plain"),
        "/alive": page(story("alive")),
        "/forbidden": page(b"", "403 Forbidden"),
        "/refused": page(story("refused"), "200 OK", "X-Robots-Tag: noai"),
    }
    return answers.get(hit.path, page(b"", "404 Not Found"))


class Archives:
    """A site, and what two archives hold of it."""

    def __init__(self, web: Web, commoncrawl: Web, wayback: Web) -> None:
        self.web, self.commoncrawl, self.wayback = web, commoncrawl, wayback
        everything = ("/alive", "/private/page", "/forbidden", "/refused")
        crawled = [
            Crawled(self.url(path), NEAR, story(f"crawled{path}")) for path in ("/crawled", "/both", *everything)
        ]
        kept = [Snapshot(self.url(path), NEAR, story(f"kept{path}")) for path in ("/kept", "/both", *everything)]
        commoncrawl.behaviour = CommonCrawlHost([Crawled(self.url("/crawled"), LATER, story("later")), *crawled])
        wayback.behaviour = WaybackMachine([Snapshot(self.url("/kept"), LATER, story("later")), *kept])

    def url(self, path: str) -> str:
        return self.web.url(path, "127.5.0.1")

    def asked(self) -> tuple[int, int, int]:
        return len(self.web.hits), len(self.commoncrawl.hits), len(self.wayback.hits)


@pytest.fixture
def archives() -> Iterator[Archives]:
    with serving(live) as web, serving() as commoncrawl, serving() as wayback:
        yield Archives(web, commoncrawl, wayback)


class Run:
    def __init__(self, folder: Path, archives: Archives) -> None:
        self.folder = folder / "run"
        self.archives = archives
        paths = ["/alive", "/crawled", "/kept", "/both", "/nowhere", "/private/page", "/forbidden", "/refused"]
        post = {"subreddit": "a", "score": 9, "created_utc": seconds(POSTED), "title": "t", "is_self": False}
        lines = [
            json.dumps({**post, "id": f"p{number}", "url": archives.url(path)}) for number, path in enumerate(paths)
        ]
        (folder / "RS_2015-03").write_text("\n".join(lines))
        self.arguments = (
            *("corpus", "--set", f"output={self.folder}", "--set", f"harvest.dumps=[{folder}/RS_2015-03]"),
            *("--set", f"fetch.contact={CONTACT}", "--set", "fetch.delay_seconds=0"),
            *("--set", f"fetch.commoncrawl_url={archives.commoncrawl.url()}"),
            *("--set", f"fetch.wayback_url={archives.wayback.url()}"),
            *("--set", "fetch.allow_networks=[127.0.0.0/8]", "--set", "extract.refuse_low_quality=false"),
            *("--set", "extract.min_words=20", "--set", "extract.workers=1", "--set", "dedup.threshold=1"),
        )

    def pages(self) -> Mapping[str, Row]:
        port = f":{self.archives.web.port}"
        return {row["url"].partition(port)[2]: row for row in rows(self.folder / "pages" / "index")}


def test_what_is_dead_is_taken_from_archives_and_published(
    tmp_path: Path, webtext: Webtext, archives: Archives
) -> None:
    run = Run(tmp_path, archives)
    alone = webtext(*run.arguments, "--set", "fetch.live=true", "--until", "pages")
    assert alone.returncode == 0, alone.stderr
    assert {path: row["reason"] for path, row in run.pages().items() if row["outcome"] == "failed"} == dict.fromkeys(
        ["/crawled", "/kept", "/both", "/nowhere", "/forbidden"], "http_error"
    )
    asked = archives.asked()
    assert asked[1:] == (0, 0)
    both = ("--set", "fetch.live=true", "--set", "fetch.fallbacks=[commoncrawl, wayback]")
    done = webtext(*run.arguments, *both)
    assert done.returncode == 0, done.stderr
    assert archives.asked()[0] == asked[0], "what had failed was asked for again because archives were added"
    pages = run.pages()
    assert {path: row["source"] for path, row in pages.items() if row["outcome"] == "fetched"} == {
        "/alive": "live",
        "/crawled": "commoncrawl",
        "/both": "commoncrawl",
        "/kept": "wayback",
    }
    assert {path: (row["outcome"], row["reason"]) for path, row in pages.items() if row["outcome"] != "fetched"} == {
        "/nowhere": ("failed", "http_error"),
        "/forbidden": ("failed", "http_error"),
        "/private/page": ("dropped", "robots"),
        "/refused": ("dropped", "opt_out"),
    }
    assert pages["/nowhere"]["detail"] == "404; commoncrawl: no capture; wayback: no capture"
    assert pages["/forbidden"]["detail"] == "403"
    # Nobody who refused is gone around, and the second archive is asked only for what the first does not have.
    for path in ("private", "forbidden", "refused", "alive"):
        assert not any(path in hit.path for hit in (*archives.commoncrawl.hits, *archives.wayback.hits))
    assert not any("both" in hit.path for hit in archives.wayback.hits)
    documents = {row["title"]: row for row in rows(run.folder / "corpus" / "data")}
    assert {title: row["source"] for title, row in documents.items()} == {
        "alive": "live",
        "crawled/crawled": "commoncrawl",
        "crawled/both": "commoncrawl",
        "kept/kept": "wayback",
    }
    assert documents["kept/kept"]["fetched_at"].strftime("%Y%m%d") == NEAR[:8]
    manifest = json.loads((run.folder / "pages" / "manifest.json").read_text())
    assert [record["path"].partition("-")[0] for record in manifest["outputs"] if ".warc" in record["path"]] == [
        "commoncrawl",
        "live",
        "wayback",
    ]
    counters = manifest["counters"]
    assert (counters["commoncrawl_requests"], counters["wayback_requests"]) == archives.asked()[1:]
    assert (counters["commoncrawl_pages"], counters["wayback_pages"]) == (2, 1)
    assert "commoncrawl: 4 of 4 links looked for, 2 found in its index, 2 taken" in done.stderr
    # In another order, archives are asked only for what they were not asked for.
    asked = archives.asked()
    other = ("--set", "fetch.live=true", "--set", "fetch.fallbacks=[wayback, commoncrawl]", "--until", "pages")
    assert webtext(*run.arguments, *other).returncode == 0
    assert archives.asked() == (asked[0], asked[1], asked[2] + 3)
    assert run.pages()["/both"]["source"] == "wayback"

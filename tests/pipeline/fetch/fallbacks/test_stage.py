"""The stage with archives alone, and what a config may say of them."""

import functools
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline import results
from pipeline.config import CorpusConfig
from pipeline.fetch.fallbacks.asking import Fallback
from pipeline.fetch.fallbacks.transform import Asking
from pipeline.fetch.live import files
from pipeline.fetch.stage import FindPages, summed_up, wikipedia_alone
from pipeline.results import WriteResults
from pipeline.run import Run
from tests.pipeline.fetch.archive_bytes import MEGABYTE, http, members, warc
from tests.pipeline.fetch.conftest import FetchRun
from tests.pipeline.fetch.fallbacks.services import CommonCrawlHost, Crawled, Snapshot, WaybackMachine, seconds
from tests.pipeline.fetch.live.crawling import AT_ONCE
from tests.pipeline.fetch.live.web import serving
from webtext import settings
from webtext.errors import UserError

STAMP, LATER = "20150304120000", "20190101120000"


def test_links_that_no_archive_at_hand_has(tmp_path: Path, run: FetchRun) -> None:
    at_hand = tmp_path / "a.warc.gz"
    at_hand.write_bytes(members(warc(http(), "http://a.test/here"), warc(http(b"", "404 No"), "http://a.test/error")))
    names = ("here", "error", "crawled", "kept", "nowhere", "moved")
    run.write_links({f"http://a.test/{name}": seconds(STAMP) for name in names} | {"http://a.test/undated": None})
    moved = Crawled("http://a.test/moved", STAMP, b"", "301 Moved", ("Location: http://en.wikipedia.org/wiki/A",))
    commoncrawl = CommonCrawlHost([Crawled("http://a.test/crawled", STAMP), moved])
    stamps = (("kept", STAMP), ("kept", LATER), ("undated", STAMP), ("undated", LATER))
    wayback = WaybackMachine([Snapshot(f"http://a.test/{name}", stamp) for name, stamp in stamps])
    with serving(commoncrawl) as one, serving(wayback) as two:
        fallbacks = (Fallback("commoncrawl", one.url(""), "a"), Fallback("wayback", two.url(""), "b"))
        asking = Asking(run.places.pages, run.partitions, fallbacks, AT_ONCE, lambda: wikipedia_alone())
        pages = FindPages(run.places, [str(at_hand)], MEGABYTE, fallbacks=asking)
        kept = functools.partial(files.archives, run.places.pages)
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = pipeline | pages | WriteResults(run.places.pages, "pages", functools.partial(summed_up, kept=kept))
        asked = len(one.hits) + len(two.hits)
    found = results.read(run.places.pages, "pages")
    ends = {row["url"].rpartition("/")[2]: (row["source"], row["outcome"], row["reason"]) for row in run.index()}
    assert ends == {
        "here": ("warc", "fetched", ""),
        "error": ("warc", "failed", "http_error"),
        "crawled": ("commoncrawl", "fetched", ""),
        "kept": ("wayback", "fetched", ""),
        "undated": ("wayback", "fetched", ""),
        "nowhere": (None, "failed", "not_in_archive"),
        "moved": ("commoncrawl", "dropped", "wikipedia"),
    }
    years = {name: run.page(f"http://a.test/{name}")["fetched_at"].year for name in ("kept", "undated", "crawled")}
    assert years == {"kept": 2015, "undated": 2019, "crawled": 2015}
    assert run.page("http://a.test/nowhere")["detail"] == "commoncrawl: no capture; wayback: no capture"
    counters = found.counters
    assert counters["commoncrawl_requests"] + counters["wayback_requests"] == asked
    assert (counters["commoncrawl_pages"], counters["wayback_pages"], counters["fetched"]) == (1, 2, 4)


def config(*overrides: str) -> CorpusConfig:
    return settings.load(CorpusConfig, None, ["output=/nowhere", *overrides])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["fetch.fallbacks=[wayback]"], "fetch.contact"),
        (["fetch.fallbacks=[archive.is]", "fetch.contact=me@example.org"], "fetch.fallbacks"),
        (["fetch.fallbacks=[wayback, wayback]", "fetch.contact=me@example.org"], "twice"),
        (["fetch.wayback_url=web.archive.org"], "fetch.wayback_url"),
        (["fetch.wayback_url=http://"], "fetch.wayback_url"),
        (["fetch.commoncrawl_url=s3://commoncrawl"], "fetch.commoncrawl_url"),
    ],
)
def test_what_a_config_may_not_say(overrides: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        config(*overrides)


def test_the_real_archives_by_default() -> None:
    section = config().fetch
    assert section.fallbacks == ()
    assert section.wayback_url == "https://web.archive.org"
    assert section.commoncrawl_url == "https://data.commoncrawl.org"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["fetch.fallbacks=[wayback]", "fetch.contact=me@example.org", "output=memory://run"], "memory://run"),
        (["fetch.fallbacks=[commoncrawl]", "fetch.contact=me@example.org", "fetch.commoncrawl_index=[/no/*]"], "/no/"),
    ],
)
def test_what_is_looked_for_before_a_run_begins(tmp_path: Path, overrides: list[str], words: str) -> None:
    (tmp_path / "urls.txt").write_text("http://gone.test/")
    with pytest.raises(UserError, match=words):
        Run(config(f"harvest.urls=[{tmp_path}/urls.txt]", *overrides), dry=True).check_inputs()

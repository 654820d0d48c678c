"""Common Crawl, by its index server: what is asked for, what comes of it, and what may be wrong with it."""

from pathlib import Path

from tests.pipeline.fetch.fallbacks.asked import ask
from tests.pipeline.fetch.fallbacks.services import CommonCrawlHost, Crawled
from tests.pipeline.fetch.live.web import serving

PAGE = "http://a.test/page"


def test_the_capture_nearest_to_the_post_is_copied(tmp_path: Path) -> None:
    early, near, late = (
        Crawled(PAGE, stamp, stamp.encode()) for stamp in ("20140103120000", "20150304120000", "20190101120000")
    )
    host = CommonCrawlHost([late, near, early])
    with serving(host) as web:
        asked = ask(tmp_path, "commoncrawl", web, {PAGE: "20150401000000"})
    assert asked.page(PAGE).body == b"20150304120000"
    row = asked.row(PAGE)
    assert row["source"] == "commoncrawl"
    assert row["fetched_at"].year == 2015
    content = Path(row["warc_file"]).read_bytes()
    assert content[row["warc_offset"] :][: row["warc_length"]] == near.member

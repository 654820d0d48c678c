"""The command on links that are dead: their pages come from archives on the web, played on loopback."""

from pathlib import Path

from tests.integration.conftest import Webtext
from tests.integration.rows import rows
from tests.integration.test_live import CONTACT, STORY
from tests.pipeline.fetch.fallbacks.services import Snapshot, WaybackMachine
from tests.pipeline.fetch.live.web import serving


def story(number: int) -> bytes:
    return f"<html><title>{number}</title><p>{STORY.format(number, number * 7)}</p></html>".encode()


def test_pages_of_the_wayback_machine_are_published(tmp_path: Path, webtext: Webtext) -> None:
    machine = WaybackMachine(
        [
            Snapshot("http://gone.test/1", "20120101000000", story(1)),
            Snapshot("http://www.gone.test/1/", "20190101000000", story(2)),
        ]
    )
    (tmp_path / "urls.txt").write_text("http://gone.test/1\nhttp://gone.test/2\n")
    with serving(machine) as archive:
        done = webtext(
            *("corpus", "--set", f"output={tmp_path}/run", "--set", f"harvest.urls=[{tmp_path}/urls.txt]"),
            *("--set", "fetch.fallbacks=[wayback]", "--set", f"fetch.wayback_url={archive.url()}"),
            *("--set", f"fetch.contact={CONTACT}", "--set", "fetch.delay_seconds=0"),
            *("--set", "fetch.allow_networks=[127.0.0.0/8]", "--set", "extract.refuse_low_quality=false"),
            *("--set", "extract.min_words=20", "--set", "extract.workers=1", "--set", "dedup.threshold=1"),
        )
        assert done.returncode == 0, done.stderr
        assert all(CONTACT in hit.headers["user-agent"] for hit in archive.hits)
        assert len(archive.hits) == 3
    pages = {row["url"]: row for row in rows(tmp_path / "run" / "pages" / "index")}
    assert (pages["http://gone.test/1"]["source"], pages["http://gone.test/1"]["outcome"]) == ("wayback", "fetched")
    assert pages["http://gone.test/2"]["reason"] == "not_in_archive"
    assert pages["http://gone.test/2"]["detail"] == "wayback: no capture"
    (document,) = rows(tmp_path / "run" / "corpus" / "data")
    assert document["source"] == "wayback"
    assert document["fetched_at"].year == 2019

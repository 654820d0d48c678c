"""Common Crawl, by its index server: what is asked for, what comes of it, and what may be wrong with it."""

import dataclasses
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from pipeline.fetch.live.surroundings import Surroundings
from pipeline.ledger import Ending, Reason, dropped
from tests.pipeline.fetch.archive_bytes import arc, http, scanned, warc
from tests.pipeline.fetch.fallbacks.asked import ask
from tests.pipeline.fetch.fallbacks.services import CommonCrawlHost, Crawled
from tests.pipeline.fetch.live.crawling import AT_ONCE
from tests.pipeline.fetch.live.web import Answer, Behaviour, Hit, Web, page, serving

PAGE = "http://a.test/page"
OTHER = "http://b.test/other"
POSTED = {PAGE: "20150301000000"}
NEAR = Crawled(PAGE, "20150304120000", b"near")


def paths(web: Web) -> list[str]:
    return [path.partition("?")[0].strip("/") for path in web.paths()]


def test_the_capture_nearest_to_the_post_is_copied(tmp_path: Path) -> None:
    early, late = (dataclasses.replace(NEAR, stamp=stamp) for stamp in ("20140103120000", "20190101120000"))
    with serving(CommonCrawlHost([late, NEAR, early])) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
    assert asked.page(PAGE).body == b"near"
    row = asked.row(PAGE)
    assert (row["source"], row["status"], row["content_type"], row["final_url"]) == (
        "commoncrawl",
        200,
        "text/html",
        PAGE,
    )
    assert row["fetched_at"].strftime("%Y%m%d%H%M%S") == NEAR.stamp
    content = Path(row["warc_file"]).read_bytes()
    assert content[row["warc_offset"] :][: row["warc_length"]] == NEAR.member
    assert Path(row["warc_file"]).name == "commoncrawl-00000-of-00001-00000.warc.gz"
    # The crawl around the post has it, and no other can have it nearer.
    assert paths(web) == ["collinfo.json", f"{NEAR.crawl}-index", NEAR.file]
    assert all("webtext/" in hit.headers["user-agent"] for hit in web.hits)
    assert asked.found.counters == {"commoncrawl_requests": 3, "commoncrawl_pages": 1}


def test_a_crawl_that_may_have_a_nearer_capture_is_asked_too(tmp_path: Path) -> None:
    far, near = (dataclasses.replace(NEAR, stamp=f"{day}120000", body=day.encode()) for day in ("20150101", "20150210"))
    with serving(CommonCrawlHost([far, near])) as web:
        asked = ask(tmp_path, "commoncrawl", web, {PAGE: "20150130000000"})
    assert asked.page(PAGE).body == b"20150210"
    assert len(web.hits) == 4


def test_no_more_than_some_crawls_are_asked(tmp_path: Path) -> None:
    stamps = [f"20{year}0304120000" for year in range(10, 20)]
    with serving(CommonCrawlHost([Crawled(OTHER, stamp) for stamp in stamps])) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
    assert asked.end(PAGE) == ("failed", "dns_error")
    assert asked.row(PAGE)["detail"] == "no such name; commoncrawl: no capture"
    assert sorted(path[8:12] for path in paths(web)[1:]) == ["2013", "2014", "2015", "2016", "2017"]


@pytest.mark.parametrize(("index", "asked_at"), [("/in/", "in/"), ("http://evil.test/", ""), ("é ", "")])
def test_indexes_are_asked_where_they_are_listed_at_the_same_server(tmp_path: Path, index: str, asked_at: str) -> None:
    host = CommonCrawlHost([NEAR], index=index)
    with serving(host) as web:
        host.index = index if asked_at == "" else web.url(index)
        assert ask(tmp_path, "commoncrawl", web, POSTED).page(PAGE).body == b"near"
        assert paths(web)[1] == f"{asked_at}{NEAR.crawl}-index"


def test_without_a_post_the_latest(tmp_path: Path) -> None:
    late = dataclasses.replace(NEAR, stamp="20190101120000", body=b"late")
    with serving(CommonCrawlHost([NEAR, late])) as web:
        assert ask(tmp_path, "commoncrawl", web, [PAGE]).page(PAGE).body == b"late"
        assert len(web.hits) == 3


def test_other_subsets_are_no_pages(tmp_path: Path) -> None:
    captures = [dataclasses.replace(NEAR, subset=subset) for subset in ("robotstxt", "crawldiagnostics")]
    with serving(CommonCrawlHost(captures)) as web:
        assert ask(tmp_path, "commoncrawl", web, POSTED).row(PAGE)["detail"].endswith("no capture")
        assert len(web.hits) == 2


def test_redirects_are_followed_within_the_archive(tmp_path: Path) -> None:
    there = Crawled(OTHER, "20150305120000", b"there")
    moved = Crawled(PAGE, "20150304120000", b"", "301 Moved", ("Location: http://b.test/other#top",))
    with serving(CommonCrawlHost([there, moved])) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
    assert asked.page(PAGE).body == b"there"
    assert asked.row(PAGE)["final_url"] == OTHER
    assert asked.row(PAGE)["url"] == PAGE


def chain(length: int) -> list[Crawled]:
    hops = [
        Crawled(f"http://a.test/{number}", NEAR.stamp, b"", "302 Found", (f"Location: /{number + 1}",))
        for number in range(length)
    ]
    return [*hops, Crawled(f"http://a.test/{length}", NEAR.stamp, b"end")]


@pytest.mark.parametrize(("length", "outcome"), [(5, "fetched"), (6, "failed")])
def test_at_most_five_redirects(tmp_path: Path, length: int, outcome: str) -> None:
    first = "http://a.test/0"
    with serving(CommonCrawlHost(chain(length))) as web:
        asked = ask(tmp_path, "commoncrawl", web, {first: NEAR.stamp})
    assert asked.end(first)[0] == outcome
    assert ("too_many_redirects" in asked.row(first)["detail"]) == (outcome == "failed")


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    here = Crawled(PAGE, NEAR.stamp, b"", "302 Found", (f"Location: {OTHER}",))
    back = Crawled(OTHER, NEAR.stamp, b"", "302 Found", (f"Location: {PAGE}",))
    with serving(CommonCrawlHost([here, back])) as web:
        assert "in a circle" in ask(tmp_path, "commoncrawl", web, POSTED).row(PAGE)["detail"]


def nowhere(url: str) -> Ending | None:
    return dropped(Reason.WIKIPEDIA) if "b.test" in url else None


@pytest.mark.parametrize("target", [OTHER, "http://10.0.0.1/", "file:///etc/passwd"])
def test_where_redirects_may_not_lead(tmp_path: Path, target: str) -> None:
    moved = Crawled(PAGE, NEAR.stamp, b"", "301 Moved", (f"Location: {target}",))
    with serving(CommonCrawlHost([moved, Crawled(OTHER, NEAR.stamp)])) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED, around=Surroundings(refuse=nowhere))
        assert len(web.hits) == 3
    expected = ("dropped", "wikipedia") if target == OTHER else ("failed", "dns_error")
    assert asked.end(PAGE) == expected
    assert target in asked.row(PAGE)["detail"] or "private" in asked.row(PAGE)["detail"]


@pytest.mark.parametrize(
    ("headers", "ending"),
    [
        (("Content-Type: text/html", "X-Robots-Tag: noai"), ("dropped", "opt_out")),
        (("Content-Type: text/html", "tdm-reservation: 1"), ("dropped", "opt_out")),
        (("Content-Type: text/html", "X-Robots-Tag: noindex"), ("fetched", "")),
    ],
)
def test_a_captured_opt_out_counts(tmp_path: Path, headers: tuple[str, ...], ending: tuple[str, str]) -> None:
    later = dataclasses.replace(NEAR, stamp="20150306120000")
    with serving(CommonCrawlHost([dataclasses.replace(NEAR, headers=headers), later])) as web:
        assert ask(tmp_path, "commoncrawl", web, POSTED).end(PAGE) == ending


FAR = dataclasses.replace(NEAR, stamp="20150306120000", body=b"far")
BOMB = gzip.compress(b"<p>" + b" " * 1_000_000)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (dataclasses.replace(NEAR, record=warc(http(b"?"), OTHER)), f"a record of {OTHER} in its place"),
        (dataclasses.replace(NEAR, record=warc(http(b"?"), PAGE, kind="request")), "a record of type request"),
        (dataclasses.replace(NEAR, record=warc(http(b"?"), PAGE, kind="revisit")), "a record of type revisit"),
        (dataclasses.replace(NEAR, record=warc(b"no head", PAGE)), "broken_record"),
        (dataclasses.replace(NEAR, record=b"no record"), "broken_record"),
        (dataclasses.replace(NEAR, body=b"x" * 300_000), "too_large"),
        (dataclasses.replace(NEAR, body=b"x" * 3_000_000), "too_large"),
        (
            dataclasses.replace(NEAR, body=BOMB, headers=("Content-Type: text/html", "Content-Encoding: gzip")),
            "too_large",
        ),
        (dataclasses.replace(NEAR, headers=("Content-Type: image/png",)), "not_html image/png"),
        (dataclasses.replace(NEAR, record=warc(http(b"", "404 Not Found"), PAGE)), "http_error 404"),
    ],
)
def test_a_record_that_is_no_page_is_passed_over(tmp_path: Path, first: Crawled, words: str) -> None:
    with serving(CommonCrawlHost([first, FAR])) as web:
        assert ask(tmp_path / "both", "commoncrawl", web, POSTED).page(PAGE).body == b"far"
    with serving(CommonCrawlHost([first])) as web:
        asked = ask(tmp_path / "one", "commoncrawl", web, POSTED)
    assert asked.end(PAGE) == ("failed", "dns_error")
    assert words in asked.row(PAGE)["detail"]


def test_a_clipped_capture_is_the_second_choice(tmp_path: Path) -> None:
    clipped = dataclasses.replace(NEAR, truncated="length")
    with serving(CommonCrawlHost([clipped, FAR])) as web:
        assert ask(tmp_path / "both", "commoncrawl", web, POSTED).page(PAGE).body == b"far"
    with serving(CommonCrawlHost([clipped])) as web:
        asked = ask(tmp_path / "one", "commoncrawl", web, POSTED)
    assert asked.row(PAGE)["detail"] == "not whole: cut off by the crawler: length"


def test_a_record_of_the_old_format_is_given_a_head(tmp_path: Path) -> None:
    old = Crawled(PAGE, "20120304120000", record=arc(http(b"<p>old</p>"), PAGE, "20120304120000"))
    with serving(CommonCrawlHost([old])) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
    assert asked.page(PAGE).body == b"<p>old</p>"
    with Path(asked.row(PAGE)["warc_file"]).open("rb") as file:
        record = next(record for record in ArchiveIterator(file) if record.rec_type == "response")
        assert record.rec_headers.get_header("WARC-Target-URI") == PAGE
        assert record.rec_headers.get_header("WARC-Date") == "2012-03-04T12:00:00Z"
        assert record.rec_headers.get_header("WARC-Source-URI") == web.url(f"/{old.file}")
        assert record.content_stream().read() == b"<p>old</p>"


def test_a_server_that_knows_no_ranges(tmp_path: Path) -> None:
    with serving(CommonCrawlHost([Crawled(OTHER, NEAR.stamp), NEAR], knows_ranges=False)) as web:
        assert ask(tmp_path, "commoncrawl", web, POSTED).page(PAGE).body == b"near"


def test_of_a_large_file_a_server_without_ranges_sends_no_more_than_a_head(tmp_path: Path) -> None:
    host = CommonCrawlHost([NEAR], knows_ranges=False)
    host.files[NEAR.file] = host.files[NEAR.file] + bytes(3_000_000)
    host.rows[0]["offset"] = "2000000"
    with serving(host) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
    assert "knows no ranges" in asked.row(PAGE)["detail"]


def shifted(by: int) -> Callable[[CommonCrawlHost], None]:
    def shift(host: CommonCrawlHost) -> None:
        host.rows[0]["offset"] = str(int(host.rows[0]["offset"]) + by)

    return shift


def shorter(host: CommonCrawlHost) -> None:
    host.rows[0]["length"] = str(int(host.rows[0]["length"]) - 10)


def huge(host: CommonCrawlHost) -> None:
    host.rows[0]["length"] = "10000000"


def longer(host: CommonCrawlHost) -> None:
    host.files[NEAR.file] += b"\x1f\x8bthe next one"
    host.rows[0]["length"] = str(int(host.rows[0]["length"]) + 10)


def gone(host: CommonCrawlHost) -> None:
    host.files.clear()


def elsewhere(host: CommonCrawlHost) -> None:
    host.rows[0]["filename"] = "../../etc/passwd"


def at_another_host(host: CommonCrawlHost) -> None:
    host.rows[0]["filename"] = "@evil.test/a.warc.gz"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shifted(1), "no gzip member in its place"),
        (shifted(10**9), "status 416"),
        (shorter, "a record that breaks off"),
        (huge, "too_large a record of 10000000 bytes"),
        (gone, "status 404"),
        (elsewhere, "a file of the name ../../etc/passwd"),
        (at_another_host, "a file of the name"),
    ],
)
def test_an_index_that_is_wrong(tmp_path: Path, spoil: Callable[[CommonCrawlHost], None], words: str) -> None:
    host = CommonCrawlHost([NEAR])
    spoil(host)
    with serving(host) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
    assert asked.end(PAGE) == ("failed", "dns_error")
    assert words in asked.row(PAGE)["detail"]


def test_what_follows_a_record_is_left(tmp_path: Path) -> None:
    host = CommonCrawlHost([NEAR])
    longer(host)
    with serving(host) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
    assert asked.row(PAGE)["warc_length"] == len(NEAR.member)


def instead(which: Callable[[Hit], bool], answers: list[bytes | None], host: Behaviour) -> Behaviour:
    """A host of which some requests are answered otherwise: each of `answers` once, the last for ever."""

    def behaviour(hit: Hit) -> Answer:
        if not which(hit):
            return host(hit)  # type: ignore[return-value]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return host(hit) if answer == b"" else answer  # type: ignore[return-value]

    return behaviour


def of_files(hit: Hit) -> bool:
    return "crawl-data" in hit.path


def of_index(hit: Hit) -> bool:
    return "-index" in hit.path


SLOW_DOWN = page(b"SlowDown", "503 Slow Down", "Retry-After: 1")


@pytest.mark.parametrize("which", [of_files, of_index])
@pytest.mark.parametrize("trouble", [SLOW_DOWN, page(b"", "429 Too Many Requests"), None])
def test_trouble_that_passes(tmp_path: Path, which: Callable[[Hit], bool], trouble: bytes | None) -> None:
    with serving(instead(which, [trouble, trouble, b""], CommonCrawlHost([NEAR]))) as web:
        assert ask(tmp_path, "commoncrawl", web, POSTED).page(PAGE).body == b"near"
        assert len(web.hits) == 5


def test_a_body_that_breaks_off_is_asked_for_again(tmp_path: Path) -> None:
    broken = page(NEAR.member[:50], "206 Partial Content", f"Content-Length: {len(NEAR.member)}")

    async def half(writer: object) -> None:
        writer.write(broken)  # type: ignore[attr-defined]

    with serving(instead(of_files, [half, b""], CommonCrawlHost([NEAR]))) as web:  # type: ignore[list-item]
        assert ask(tmp_path, "commoncrawl", web, POSTED).page(PAGE).body == b"near"


@pytest.mark.parametrize("which", [of_files, of_index])
def test_trouble_that_stays_is_no_answer(tmp_path: Path, which: Callable[[Hit], bool]) -> None:
    host = CommonCrawlHost([NEAR])
    with serving(instead(which, [SLOW_DOWN], host)) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
        assert asked.end(PAGE) == ("failed", "dns_error")
        assert asked.row(PAGE)["detail"] == "no such name; commoncrawl: http_error 503"
        web.behaviour = host
        assert ask(tmp_path, "commoncrawl", web, POSTED).end(PAGE) == ("fetched", "")


def test_an_archive_that_is_down_leaves_links_for_later(tmp_path: Path) -> None:
    links = [f"http://a.test/{number}" for number in range(40)]
    with serving(lambda hit: page(b"", "503 Down") if "-index" in hit.path else CommonCrawlHost([NEAR])(hit)) as web:
        asked = ask(tmp_path, "commoncrawl", web, links)
        assert len(web.hits) <= 1 + 3 * 5 + 8
    reasons = [asked.end(link) for link in links]
    assert set(reasons) == {("failed", "dns_error"), ("deferred", "host_failing")}
    assert reasons.count(("deferred", "host_failing")) >= 27
    words = next(row["detail"] for row in asked.rows.values() if row["outcome"] == "deferred")
    assert words == "dns_error no such name; commoncrawl: 5 failures in a row, http_error 503"


@pytest.mark.parametrize("answer", [page(b"[]"), page(b"<html>"), page(b"", "404 Not Found"), None])
def test_no_list_of_crawls(tmp_path: Path, answer: bytes | None) -> None:
    with serving(lambda hit: answer) as web:
        asked = ask(tmp_path, "commoncrawl", web, POSTED)
        assert set(paths(web)) == {"collinfo.json"}
    assert asked.end(PAGE) == ("deferred", "host_failing")
    assert "collinfo.json" in asked.row(PAGE)["detail"]


def test_who_says_no_is_not_asked_again_and_again(tmp_path: Path) -> None:
    links = [f"http://a.test/{number}" for number in range(40)]
    with serving(instead(of_index, [page(b"blocked", "403 Forbidden")], CommonCrawlHost([NEAR]))) as web:
        asked = ask(tmp_path, "commoncrawl", web, links)
        assert len(web.hits) <= 1 + 5 + 8
    assert {asked.end(link)[0] for link in links} == {"failed", "deferred"}


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    links = {**POSTED, OTHER: None, "http://10.0.0.1/": None}
    with serving(CommonCrawlHost([NEAR])) as web:
        first = ask(tmp_path, "commoncrawl", web, links)
        asked = len(web.hits)
        again = ask(tmp_path, "commoncrawl", web, links)
        assert len(web.hits) == asked
        assert again.found.settled.equals(first.found.settled)
        assert again.found.left.equals(first.found.left)
        # Under another config pages are kept, and what was not found is looked for again.
        other = ask(tmp_path, "commoncrawl", web, links, key="other")
        assert other.found.settled.equals(first.found.settled)
        assert {path.partition("?")[2][4:20] for path in web.paths()[asked + 1 :]} == {"http%3A%2F%2Fb.te"[:16]}
    assert first.row("http://10.0.0.1/")["detail"] == "no such name; commoncrawl: 10.0.0.1 is private"


def test_what_was_made_of_it_is_an_archive_that_others_read(tmp_path: Path) -> None:
    captures = [dataclasses.replace(NEAR, url=f"http://a.test/{number}") for number in range(5)]
    with serving(CommonCrawlHost(captures)) as web:
        ask(tmp_path, "commoncrawl", web, [each.url for each in captures], dataclasses.replace(AT_ONCE, concurrency=1))
    (path,) = tmp_path.glob("commoncrawl-*.warc.gz")
    with path.open("rb") as file:
        found = {
            record.rec_headers.get_header("WARC-Target-URI")
            for record in ArchiveIterator(file)
            if record.rec_type == "response"
        }
    assert found == {each.url for each in captures}
    events = [
        json.loads(line)
        for line in (tmp_path / "_journal" / "commoncrawl-00000-of-00001.jsonl").read_text().splitlines()
    ]
    assert sum("index" in event for event in events) == 5


def test_a_real_record(tmp_path: Path, shared_data: Path) -> None:
    """Of CC-MAIN-2024-22, as Common Crawl's tour of its data has it."""
    path = shared_data / "web" / "warc" / "whirlwind" / "whirlwind.warc.gz"
    content = path.read_bytes()
    (capture,) = (each for each in scanned(content, max_bytes=1 << 20).captures if each.kind == "response")
    host = CommonCrawlHost([Crawled(capture.url, "20240518015810")])
    host.files[host.records[0].file] = content
    host.rows[0] |= {"offset": str(capture.offset), "length": str(capture.length)}
    with serving(host) as web:
        asked = ask(tmp_path, "commoncrawl", web, [capture.url])
    assert b"Escopete" in asked.page(capture.url).body
    row = asked.row(capture.url)
    assert row["fetched_at"].isoformat() == "2024-05-18T01:58:10+00:00"
    kept = Path(row["warc_file"]).read_bytes()[row["warc_offset"] :][: row["warc_length"]]
    assert kept == content[capture.offset :][: capture.length]

"""The Wayback Machine: what is asked for, what comes of it, and what may be wrong with it."""

import dataclasses
import gzip
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from pipeline.fetch.live.surroundings import Surroundings
from pipeline.ledger import Ending, Reason, dropped
from tests.pipeline.fetch.fallbacks.asked import ask
from tests.pipeline.fetch.fallbacks.services import Snapshot, WaybackMachine
from tests.pipeline.fetch.live.crawling import AT_ONCE, politely
from tests.pipeline.fetch.live.web import Answer, Hit, page, serving
from webtext.errors import UserError

PAGE = "http://a.test/page?a=1&b=2"
OTHER = "http://b.test/other"
POSTED = {PAGE: "20150301000000"}
NEAR = Snapshot(PAGE, "20150304120000", b"<p>near</p>")
FAR = Snapshot(PAGE, "20190101120000", b"<p>far</p>")


def test_the_capture_nearest_to_the_post_is_kept(tmp_path: Path) -> None:
    recorded = {"Server": "Apache", "Content-Encoding": "br", "Transfer-Encoding": "chunked", "Content-Length": "7"}
    near = Snapshot(PAGE, NEAR.stamp, NEAR.body, headers=recorded, kind="text/html; charset=latin-1")
    early = Snapshot(PAGE, "20140101120000")
    with serving(WaybackMachine([FAR, near, early])) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
        index, played = web.paths()
    query = dict(urllib.parse.parse_qsl(index.partition("?")[2]))
    assert (query["url"], query["closest"], query["output"]) == (PAGE, "20150301000000", "json")
    assert played == f"/web/20150304120000id_/{PAGE}"
    assert all("webtext/" in hit.headers["user-agent"] for hit in web.hits)
    row = asked.row(PAGE)
    assert (row["source"], row["status"], row["final_url"]) == ("wayback", 200, PAGE)
    assert row["content_type"] == "text/html; charset=latin-1"
    assert row["fetched_at"].strftime("%Y%m%d%H%M%S") == NEAR.stamp
    assert asked.page(PAGE).body == NEAR.body
    headers = asked.page(PAGE).headers
    assert headers == {"content-type": row["content_type"], "server": "Apache", "content-length": str(len(NEAR.body))}
    with Path(row["warc_file"]).open("rb") as file:
        record = next(each for each in ArchiveIterator(file) if each.rec_type == "response")
        assert record.rec_headers.get_header("WARC-Target-URI") == PAGE
        assert record.rec_headers.get_header("WARC-Date") == "2015-03-04T12:00:00Z"
        assert record.rec_headers.get_header("WARC-Source-URI") == web.url(played)
        assert record.content_stream().read() == NEAR.body
    assert asked.found.counters == {"wayback_requests": 2, "wayback_pages": 1}


def test_an_index_that_sorts_nothing_and_sends_everything(tmp_path: Path) -> None:
    captures = [
        FAR,
        Snapshot(PAGE, "20150302120000", b"no", 404),
        Snapshot(PAGE, "20150301120000", kind="image/png"),
        NEAR,
    ]
    with serving(WaybackMachine(captures, deaf=True)) as web:
        assert ask(tmp_path, "wayback", web, POSTED).page(PAGE).body == NEAR.body


def test_without_a_post_the_latest(tmp_path: Path) -> None:
    with serving(WaybackMachine([NEAR, FAR])) as web:
        assert ask(tmp_path, "wayback", web, [PAGE]).page(PAGE).body == FAR.body


def test_a_packed_page_is_kept_packed(tmp_path: Path) -> None:
    packed = Snapshot(PAGE, NEAR.stamp, gzip.compress(NEAR.body), packing="gzip")
    with serving(WaybackMachine([packed])) as web:
        assert ask(tmp_path, "wayback", web, POSTED).page(PAGE).body == NEAR.body


def test_addresses_as_the_index_spells_them(tmp_path: Path) -> None:
    odd = Snapshot("http://www.a.test:80/a b#c", NEAR.stamp, NEAR.body)
    with serving(WaybackMachine([odd])) as web:
        asked = ask(tmp_path, "wayback", web, {"http://a.test/a%20b": NEAR.stamp})
        assert web.paths()[1] == f"/web/{NEAR.stamp}id_/http://www.a.test:80/a%20b%23c"
    assert asked.end("http://a.test/a%20b")[0] == "failed"


def test_another_date_is_played_in_its_stead(tmp_path: Path) -> None:
    """The index knows a capture that the archive does not play: it sends on to the one next to it."""
    machine = WaybackMachine([FAR])
    index = WaybackMachine([NEAR])
    with serving(lambda hit: (index if hit.path.startswith("/cdx") else machine)(hit)) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
    assert asked.page(PAGE).body == FAR.body
    assert asked.row(PAGE)["fetched_at"].year == 2019


@pytest.mark.parametrize(
    "target",
    [
        f"/web/20190101120000id_/{OTHER}",
        "http://evil.test/",
        "http://127.0.0.1:1/web/20190101120000id_/http://a.test/page?a=1&b=2",
        "/web/never/http://a.test/page",
        "/",
        "",
    ],
)
def test_redirects_of_its_own_lead_to_the_same_page_or_nowhere(tmp_path: Path, target: str) -> None:
    index = WaybackMachine([NEAR])
    moved = page(b"", "302 Found", f"Location: {target}")
    with serving(lambda hit: index(hit) if hit.path.startswith("/cdx") else moved) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
        assert len(web.hits) == 2
    assert asked.row(PAGE)["detail"] == "no such name; wayback: status 302"


def test_redirects_of_its_own_end(tmp_path: Path) -> None:
    index = WaybackMachine([NEAR])

    def behaviour(hit: Hit) -> Answer:
        if hit.path.startswith("/cdx"):
            return index(hit)
        return page(b"", "302 Found", f"Location: /web/{int(hit.path[5:19]) + 1}id_/{PAGE}")

    with serving(behaviour) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
        assert len(web.hits) == 6
    assert asked.end(PAGE) == ("failed", "dns_error")


@pytest.mark.parametrize("location", [OTHER, "//b.test/other"])
def test_captured_redirects_are_followed_within_the_archive(tmp_path: Path, location: str) -> None:
    moved = Snapshot(PAGE, NEAR.stamp, b"", 301, headers={"Location": location})
    there = Snapshot(OTHER, "20150305120000", b"<p>there</p>")
    with serving(WaybackMachine([moved, there])) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
    assert asked.page(PAGE).body == b"<p>there</p>"
    assert asked.row(PAGE)["final_url"] == OTHER


def test_a_captured_redirect_to_what_is_not_there(tmp_path: Path) -> None:
    moved = Snapshot(PAGE, NEAR.stamp, b"", 301, headers={"Location": OTHER})
    with serving(WaybackMachine([moved])) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
    assert asked.row(PAGE)["detail"] == f"no such name; wayback: leads to {OTHER}: no capture"


def nowhere(url: str) -> Ending | None:
    return dropped(Reason.BLOCKED_DOMAIN, "b.test") if "b.test" in url else None


def test_a_captured_redirect_to_a_blocked_domain(tmp_path: Path) -> None:
    moved = Snapshot(PAGE, NEAR.stamp, b"", 301, headers={"Location": OTHER})
    with serving(WaybackMachine([moved, Snapshot(OTHER, NEAR.stamp)])) as web:
        asked = ask(tmp_path, "wayback", web, POSTED, around=Surroundings(refuse=nowhere))
    assert asked.end(PAGE) == ("dropped", "blocked_domain")
    assert asked.row(PAGE)["detail"] == f"leads to {OTHER}"


def test_a_captured_opt_out_ends_the_link(tmp_path: Path) -> None:
    refused = Snapshot(PAGE, NEAR.stamp, headers={"X-Robots-Tag": "noai"})
    with serving(WaybackMachine([refused, FAR])) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
        assert len(web.hits) == 2
    assert asked.end(PAGE) == ("dropped", "opt_out")


def test_what_the_archive_says_of_itself_is_no_opt_out(tmp_path: Path) -> None:
    machine = WaybackMachine([NEAR])

    def behaviour(hit: Hit) -> Answer:
        answer = machine(hit)
        assert isinstance(answer, bytes)
        return answer.replace(b"\r\n", b"\r\nX-Robots-Tag: noai\r\n", 1)

    with serving(behaviour) as web:
        assert ask(tmp_path, "wayback", web, POSTED).end(PAGE) == ("fetched", "")


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (Snapshot(PAGE, NEAR.stamp, b"x" * 300_000), "too_large"),
        (Snapshot(PAGE, NEAR.stamp, gzip.compress(bytes(1_000_000)), packing="gzip"), "too_large"),
        (Snapshot(PAGE, NEAR.stamp, b"\0\1garbage", packing="gzip"), "broken_record"),
        (Snapshot(PAGE, NEAR.stamp, headers={"Content-Type": "application/pdf"}), "not_html application/pdf"),
    ],
)
def test_a_capture_that_is_no_page_is_passed_over(tmp_path: Path, first: Snapshot, words: str) -> None:
    with serving(WaybackMachine([first, FAR])) as web:
        assert ask(tmp_path / "both", "wayback", web, POSTED).page(PAGE).body == FAR.body
    with serving(WaybackMachine([first])) as web:
        asked = ask(tmp_path / "one", "wayback", web, POSTED)
    assert asked.end(PAGE) == ("failed", "dns_error")
    assert words in asked.row(PAGE)["detail"]


def test_a_captured_error_is_the_sites_and_not_the_archives(tmp_path: Path) -> None:
    error = Snapshot(PAGE, NEAR.stamp, b"busy", 503)
    index = WaybackMachine([NEAR, FAR])
    with serving(lambda hit: (index if hit.path.startswith("/cdx") else WaybackMachine([error, FAR]))(hit)) as web:
        assert ask(tmp_path, "wayback", web, POSTED).page(PAGE).body == FAR.body
        assert len(web.hits) == 3


BLOCKED = b"org.archive.wayback.exception.AdministrativeAccessControlException: Blocked Site Error"


def of_index(hit: Hit) -> bool:
    return hit.path.startswith("/cdx")


def of_captures(hit: Hit) -> bool:
    return hit.path.startswith("/web")


@pytest.mark.parametrize("which", [of_index, of_captures])
@pytest.mark.parametrize(
    "answer",
    [
        page(BLOCKED, "403 Forbidden"),
        page(b"", "451 Unavailable"),
        page(b"", "404 Not Found", "X-Archive-Wayback-Runtime-Error: RobotAccessControlException: Blocked By Robots"),
    ],
)
def test_what_is_excluded_is_not_asked_for_again(tmp_path: Path, which: Callable[[Hit], bool], answer: bytes) -> None:
    machine = WaybackMachine([NEAR])
    with serving(lambda hit: answer if which(hit) else machine(hit)) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
        assert asked.row(PAGE)["detail"] == "no such name; wayback: excluded from it"
        asked_once = len(web.hits)
        assert asked_once == (1 if which is of_index else 2)
        ask(tmp_path, "wayback", web, POSTED)
        assert len(web.hits) == asked_once


def test_an_exclusion_with_status_200(tmp_path: Path) -> None:
    with serving(lambda hit: page(BLOCKED)) as web:
        assert ask(tmp_path, "wayback", web, POSTED).row(PAGE)["detail"].endswith("excluded from it")


@pytest.mark.parametrize("answer", [page(b"<html>Sorry</html>"), page(b"{}"), page(b'[["timestamp"'), None])
def test_an_index_that_answers_nonsense_is_asked_again_the_next_time(tmp_path: Path, answer: bytes | None) -> None:
    with serving(lambda hit: answer) as web:
        asked = ask(tmp_path, "wayback", web, POSTED)
        assert asked.end(PAGE) == ("failed", "dns_error")
        assert "wayback: " in asked.row(PAGE)["detail"]
        web.behaviour = WaybackMachine([NEAR])
        assert ask(tmp_path, "wayback", web, POSTED).page(PAGE).body == NEAR.body


def test_addresses_that_are_private_are_not_asked_for(tmp_path: Path) -> None:
    links = ["http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "http://2130706433/"]
    with serving(WaybackMachine([Snapshot(link, NEAR.stamp) for link in links])) as web:
        asked = ask(tmp_path, "wayback", web, links[:3])
        assert not web.hits
    assert {asked.end(link) for link in links[:3]} == {("failed", "dns_error")}


def test_an_archive_at_a_private_address_is_a_mistake(tmp_path: Path) -> None:

    with serving(WaybackMachine([NEAR])) as web, pytest.raises(UserError, match=r"fetch\.wayback_url.*loopback"):
        ask(tmp_path, "wayback", web, POSTED, dataclasses.replace(AT_ONCE, allow_networks=()))
    assert not web.hits


def test_the_log_tells_what_is_asked_and_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "webtext")
    with serving(WaybackMachine([NEAR])) as web:
        ask(tmp_path, "wayback", web, [PAGE, OTHER])
    first, last = (record.getMessage() for record in caplog.records)
    assert first == "pages      wayback: 2 links to look for"
    assert last == "pages      wayback: 2 of 2 links looked for, 1 found in its index, 1 taken; 3 requests"


def test_the_log_tells_how_long_it_will_take(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "webtext")
    links = [f"http://a.test/{number}" for number in range(200)]
    with serving(lambda hit: page(b"", "429 Too Many Requests", "Retry-After: 3600")) as web:
        asked = ask(tmp_path, "wayback", web, links, politely(0.5))
        assert len(web.hits) == 1
    assert caplog.records[0].getMessage() == "pages      wayback: 200 links to look for, in no less than 4 min"
    assert {asked.end(link) for link in links} == {("deferred", "host_failing")}
    assert asked.row(links[0])["detail"] == "dns_error no such name; wayback: asks to come back after 3600 s"


def test_many_links_find_their_own_pages(tmp_path: Path) -> None:
    links = [f"http://a.test/{number}" for number in range(50)]
    machine = WaybackMachine([Snapshot(link, NEAR.stamp, link.encode()) for link in links[::2]])
    with serving(machine) as web:
        asked = ask(tmp_path, "wayback", web, links)
        assert web.most_open["127.0.0.1"] == 1
        assert web.connections["127.0.0.1"] == 1
    for number, link in enumerate(links):
        if number % 2:
            assert asked.row(link)["detail"] == "no such name; wayback: no capture"
        else:
            assert asked.page(link).body == link.encode()
    journal = (tmp_path / "_journal" / "wayback-00000-of-00001.jsonl").read_text().splitlines()
    assert sum("page" in json.loads(line) for line in journal) == 50

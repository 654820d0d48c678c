import functools
import gzip
import itertools
import json
import random
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schemas, urls
from pipeline.fetch import catalogue
from pipeline.fetch.archives import MAX_HOPS, Refuse
from pipeline.ledger import Ending, Reason, dropped
from pipeline.records import RecordReader
from pipeline.warc import HttpResponse, read_response
from tests.pipeline.fetch.archive_bytes import MEGABYTE, http, id_of, members, warc
from tests.pipeline.fetch.conftest import FetchRun, index_files
from webtext import parquet, storage

DAY = 86_400


def write(path: Path, *records: bytes) -> Path:
    path.write_bytes(members(*records))
    return path


def page(url: str, date: str = "1970-01-02T00:00:00Z", body: bytes = b"<p>hello</p>") -> bytes:
    return warc(http(body), url, date)


def moved(url: str, target: str, date: str = "1970-01-02T00:00:00Z") -> bytes:
    return warc(http(b"", "301 Moved", [f"Location: {target}"]), url, date)


def test_every_link_that_was_not_refused_has_one_row(run: FetchRun, tmp_path: Path) -> None:
    run.write_links([f"http://example.org/{number}" for number in range(50)], refused=["http://example.org/7"])
    archive = write(tmp_path / "a.warc.gz", *(page(f"http://example.org/{number}") for number in range(0, 60, 2)))
    found = run.find_pages([archive])
    rows = run.index()
    assert [row["id"] for row in rows] == sorted(
        id_of(f"http://example.org/{number}") for number in range(50) if number != 7
    )
    assert run.end("http://example.org/8") == ("fetched", "")
    assert run.end("http://example.org/9") == ("failed", "not_in_archive")
    assert found.counters["fetched"] == 25
    assert found.counters["not_in_archive"] == 24
    assert (found.counters["archives"], found.counters["captures"]) == (1, 30)
    for number in range(run.partitions):
        part = parquet.read(storage.join(run.places.pages, "index", parquet.part_name(number)))
        assert part.schema.names == schemas.PAGES.names
    for file in found.files:
        content = (Path(run.places.pages) / file.path).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), sha256(content).hexdigest())


def test_a_row_says_where_the_page_lies(run: FetchRun, tmp_path: Path) -> None:
    run.write_links(["http://example.org/1"])
    archive = write(
        tmp_path / "a.warc.gz", page("http://example.org/0"), page("https://www.example.org/1/", body=b"<b>")
    )
    run.find_pages([archive])
    row = run.page("http://example.org/1")
    assert (row["url"], row["final_url"]) == ("http://example.org/1", "https://www.example.org/1/")
    assert (row["status"], row["content_type"], row["source"]) == (200, "text/html", "warc")
    assert row["warc_file"] == str(archive)
    assert row["fetched_at"].timestamp() == DAY
    assert row["payload_sha256"] == sha256(b"<b>").hexdigest()
    with RecordReader() as reader:
        response = read_response(reader.read(row["warc_file"], row["warc_offset"], row["warc_length"]), MEGABYTE)
    assert isinstance(response, HttpResponse)
    assert response.body == b"<b>"


def test_the_nearest_of_the_captures_in_all_archives_is_chosen(run: FetchRun, tmp_path: Path) -> None:
    run.write_links({"http://example.org/1": 5 * DAY, "http://example.org/2": None})
    archives = [
        write(
            tmp_path / f"{day}.warc.gz",
            page("http://example.org/1", f"1970-01-0{day}T00:00:00Z"),
            page("http://example.org/2", f"1970-01-0{day}T00:00:00Z"),
        )
        for day in (2, 5, 9)
    ]
    run.find_pages(archives)
    assert run.page("http://example.org/1")["warc_file"] == str(archives[1])
    assert run.page("http://example.org/2")["warc_file"] == str(archives[2])


def test_redirects_are_followed_from_archive_to_archive(run: FetchRun, tmp_path: Path) -> None:
    chain = ["http://example.org/start", *(f"http://hop{number}.org/" for number in range(MAX_HOPS))]
    run.write_links([chain[0], chain[2]])
    archives = [
        write(tmp_path / f"{number}.warc.gz", moved(before, after))
        for number, (before, after) in enumerate(itertools.pairwise(chain))
    ]
    archives.append(write(tmp_path / "last.warc.gz", page(chain[-1], body=b"<p>the end")))
    run.find_pages(archives)
    for url in (chain[0], chain[2]):
        row = run.page(url)
        assert (row["outcome"], row["final_url"], row["warc_file"]) == ("fetched", chain[-1], str(archives[-1]))
        assert row["payload_sha256"] == sha256(b"<p>the end").hexdigest()


def test_redirects_end_as_they_must(run: FetchRun, tmp_path: Path) -> None:
    loop, gone, wikipedia, far = (f"http://example.org/{name}" for name in ("loop", "gone", "wikipedia", "far"))
    hops = [far, *(f"http://hop{number}.org/" for number in range(MAX_HOPS + 1))]
    run.write_links([loop, gone, wikipedia, far])
    archive = write(
        tmp_path / "a.warc.gz",
        moved(loop, "http://b.org/"),
        moved("http://b.org/", loop),
        moved(gone, "http://gone.org/"),
        moved(wikipedia, "https://en.wikipedia.org/wiki/Web"),
        page("https://en.wikipedia.org/wiki/Web"),
        *(moved(before, after) for before, after in itertools.pairwise(hops)),
        page(hops[-1]),
    )
    found = run.find_pages([archive])
    assert run.end(loop) == ("failed", "too_many_redirects")
    assert run.end(gone) == ("failed", "not_in_archive")
    assert "http://gone.org/" in run.page(gone)["detail"]
    assert run.end(wikipedia) == ("dropped", "wikipedia")
    assert run.page(wikipedia)["final_url"] == "https://en.wikipedia.org/wiki/Web"
    assert run.end(far) == ("failed", "too_many_redirects")
    assert found.counters["too_many_redirects"] == 2


def judge_of(hosts: Sequence[str]) -> Refuse:
    def refuse(url: str) -> Ending | None:
        return dropped(Reason.BLOCKED_DOMAIN, urls.host(url)) if urls.host(url) in hosts else None

    return refuse


def test_a_redirect_to_what_the_user_blocks_is_refused(run: FetchRun, tmp_path: Path) -> None:
    run.write_links(["http://example.org/1"])
    archive = write(tmp_path / "a.warc.gz", moved("http://example.org/1", "http://b.org/x"), page("http://b.org/x"))
    run.find_pages([archive], judge=functools.partial(judge_of, ["b.org"]))
    assert run.end("http://example.org/1") == ("dropped", "blocked_domain")


def test_revisits_find_their_body_in_another_archive(run: FetchRun, tmp_path: Path) -> None:
    same, other, lost = (f"http://example.org/{name}" for name in ("same", "other", "lost"))
    run.write_links({same: 9 * DAY, other: 9 * DAY, lost: None})

    def revisit(url: str, of: str) -> bytes:
        headers = [f"WARC-Refers-To-Target-URI: {of}", "WARC-Refers-To-Date: 1970-01-02T00:00:00Z"]
        return warc(http(b""), url, "1970-01-10T00:00:00Z", "revisit", headers)

    old = write(tmp_path / "old.warc.gz", page(same, body=b"<p>same"), page("http://b.org/", body=b"<p>b"))
    new = write(tmp_path / "new.warc.gz", revisit(same, same), revisit(other, "http://b.org/"), revisit(lost, lost))
    run.find_pages([new, old])
    for url, body in ((same, b"<p>same"), (other, b"<p>b")):
        row = run.page(url)
        assert (row["warc_file"], row["final_url"]) == (str(old), url)
        assert row["fetched_at"].timestamp() == 9 * DAY
        assert row["payload_sha256"] == sha256(body).hexdigest()
    assert run.end(lost) == ("failed", "not_in_archive")


def test_what_is_no_page_says_why(run: FetchRun, tmp_path: Path) -> None:
    names = ["missing", "image", "huge", "headless", "cut"]
    run.write_links([f"http://example.org/{name}" for name in names])
    archive = write(
        tmp_path / "a.warc.gz",
        warc(http(b"<p>", "404 Not Found"), "http://example.org/missing"),
        warc(http(b"png", headers=["Content-Type: image/png"]), "http://example.org/image"),
        page("http://example.org/huge", body=b"x" * 2000),
        warc(b"hello", "http://example.org/headless"),
    )
    cut = members(page("http://example.org/cut", body=random.Random(4).randbytes(900)))
    archive.write_bytes(archive.read_bytes() + cut[:-300])
    found = run.find_pages([archive], max_bytes=1000)
    assert run.end("http://example.org/missing") == ("failed", "http_error")
    assert run.page("http://example.org/missing")["detail"] == "404"
    assert run.end("http://example.org/image") == ("dropped", "not_html")
    assert run.end("http://example.org/huge") == ("dropped", "too_large")
    assert run.end("http://example.org/headless") == ("failed", "broken_record")
    row = run.page("http://example.org/cut")
    assert (row["outcome"], row["detail"]) == ("fetched", "not whole: damaged")
    assert row["payload_sha256"]
    assert found.counters["damaged_places"] == 1
    (damage,) = found.counters["damages"]
    assert damage["file"] == str(archive)
    assert damage["what"]


def test_a_target_that_cannot_be_read_ends_the_link(run: FetchRun, tmp_path: Path) -> None:
    run.write_links(["http://example.org/1"])
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(warc(http(b"\x00" * MEGABYTE), "http://b.org/", length=200)) + packer.flush()
    archive = tmp_path / "a.warc.gz"
    archive.write_bytes(members(moved("http://example.org/1", "http://b.org/")) + bomb)
    run.find_pages([archive], max_bytes=10_000)
    assert run.end("http://example.org/1") == ("dropped", "too_large")


def test_no_archives_and_no_links_are_fine(run: FetchRun, tmp_path: Path) -> None:
    run.write_links(["http://example.org/1"])
    run.find_pages([])
    assert run.end("http://example.org/1") == ("failed", "not_in_archive")
    empty = FetchRun(tmp_path / "empty")
    empty.write_links([])
    empty.find_pages([write(tmp_path / "a.warc.gz", page("http://example.org/1"))])
    assert empty.index() == []


def web(seed: int) -> list[bytes]:
    """Records of a small web in which everything leads everywhere."""
    rng = random.Random(seed)
    names = [f"http://example.org/{number}" for number in range(40)]
    dates = [f"1970-01-0{day}T00:00:00Z" for day in range(1, 6)]
    records = []
    for _ in range(150):
        url, other, date = rng.choice(names), rng.choice(names), rng.choice(dates)
        refers = [f"WARC-Refers-To-Target-URI: {other}", f"WARC-Refers-To-Date: {rng.choice(dates)}"]
        records.append(
            rng.choice(
                [
                    page(url, date, b"<p>%d" % rng.randrange(100)),
                    moved(url, other, date),
                    moved(url, other, date),
                    warc(http(b""), url, date, "revisit", refers),
                    warc(http(b"", "404 Not Found"), url, date),
                ]
            )
        )
    return records


def test_the_index_does_not_depend_on_the_order_of_archives(run: FetchRun, tmp_path: Path) -> None:
    records = web(1)
    archives = [write(tmp_path / f"{number}.warc.gz", *records[number::5]) for number in range(5)]
    run.write_links({f"http://example.org/{number}": number * DAY // 8 for number in range(0, 40, 2)})
    first = index_files(run.find_pages(archives))
    assert len({row["outcome"] for row in run.index()}) > 1
    storage.remove(run.places.pages)
    assert index_files(run.find_pages(archives[::-1])) == first
    # catalogues that are there already, as after a crash
    assert index_files(run.find_pages([archives[3], *archives])) == first


def test_the_cut_into_partitions_changes_no_row(tmp_path: Path) -> None:
    archives = [write(tmp_path / "a.warc.gz", *web(2))]
    found = []
    for partitions in (1, 7):
        run = FetchRun(tmp_path / f"run{partitions}", partitions)
        run.write_links([f"http://example.org/{number}" for number in range(40)])
        run.find_pages(archives)
        found.append(run.index())
    assert found[0] == found[1]


def test_a_plain_archive_and_one_of_members_give_the_same_pages(run: FetchRun, tmp_path: Path) -> None:
    records = web(3)
    run.write_links([f"http://example.org/{number}" for number in range(40)])
    found = []
    for path, content in (("a.warc", b"".join(records)), ("a.warc.gz", members(*records))):
        (tmp_path / path).write_bytes(content)
        storage.remove(run.places.pages)
        run.find_pages([tmp_path / path])
        found.append([{key: row[key] for key in row if not key.startswith("warc_")} for row in run.index()])
    assert found[0] == found[1]


def test_only_what_links_want_leaves_a_catalogue(
    run: FetchRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    travelled = []
    original = catalogue.look_up

    def look_up(*arguments: Any) -> Iterator[pa.Table]:
        for table in original(*arguments):
            travelled.append(table.num_rows)
            yield table

    monkeypatch.setattr("pipeline.fetch.stage.look_up", look_up)
    run.write_links(["http://example.org/1", "http://example.org/2"])
    others = [page(f"http://other.org/{number}") for number in range(500)]
    archive = write(
        tmp_path / "a.warc.gz", *others, page("http://example.org/1"), moved("http://example.org/2", "http://b.org/"),
        page("http://b.org/"),
    )  # fmt: skip
    run.find_pages([archive])
    assert sum(travelled) == 3
    assert run.end("http://example.org/2") == ("fetched", "")


def test_every_page_of_the_world_is_found(run: FetchRun, shared_data: Path) -> None:
    world = shared_data / "world"
    with gzip.open(world / "truth.jsonl.gz") as lines:
        truth = [json.loads(line) for line in lines]
    run.write_links([entry["url"] for entry in truth])
    found = run.find_pages(sorted(world.glob("pages-*.warc.gz")), max_bytes=20 * MEGABYTE)
    rows = {row["id"]: row for row in run.index()}
    assert found.counters["damages"] == []
    for entry in truth:
        row = rows[id_of(entry["url"])]
        assert (row["outcome"], row["payload_sha256"]) == ("fetched", entry["sha256"]), entry["url"]

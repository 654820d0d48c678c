import functools
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline import schemas, tables, urls
from pipeline.fetch.archives import Refuse, refuse_wikipedia
from pipeline.fetch.live import files
from pipeline.fetch.live.transform import Crawling, FetchLive, by_owner, owner_of, wanted_links
from pipeline.records import read_record
from pipeline.warc import HttpResponse, read_response
from tests.pipeline.fetch.live.crawling import AT_ONCE, table_of
from tests.pipeline.fetch.live.web import NO_ROBOTS, Answer, Hit, Web, moved, page, serving

PARTITIONS = 3


def judge() -> Refuse:
    return refuse_wikipedia


def keep(folder: Path, partition: int, rows: bytes) -> None:
    """Write rows down: a pipeline works on copies of whatever is handed to it."""
    digest = hashlib.sha256(rows).hexdigest()
    (folder / f"{partition}-{digest}.rows").write_bytes(rows)


def fetch(folder: Path, addresses: Sequence[str], shards: int, key: str = "key") -> pa.Table:
    crawling = Crawling(str(folder), PARTITIONS, shards, key, AT_ONCE, judge)
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as results:
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            packed = [(owner, tables.pack(part)) for owner, part in by_owner(table_of(addresses), shards)]
            pages, _ = pipeline | beam.Create(packed) | FetchLive(crawling)
            _ = pages | beam.MapTuple(functools.partial(keep, Path(results)))
        found = [(int(path.name[0]), path.read_bytes()) for path in Path(results).glob("*.rows")]
    for partition, rows in found:
        ids = tables.unpack([rows], schemas.PAGES)["id"].to_pylist()
        assert {tables.partition_of(each, PARTITIONS) for each in ids} == {partition}
    return tables.sorted_by(tables.unpack([rows for _, rows in found], schemas.PAGES), "id")


@pytest.fixture
def web() -> Iterator[Web]:
    """Every page of a host leads to the next one, that of the last host is there."""

    def behaviour(hit: Hit) -> Answer:
        if hit.path == "/robots.txt":
            return NO_ROBOTS
        last = int(hit.address.rpartition(".")[2])
        port = hit.headers["host"].rpartition(":")[2]
        return moved(f"http://127.4.0.{last + 1}:{port}{hit.path}") if last < 4 else page(hit.path.encode())

    with serving(behaviour) as chain:
        yield chain


def addresses_of(web: Web) -> list[str]:
    return [web.url(f"/{number}", f"127.4.0.{number % 4 + 1}") for number in range(40)]


@pytest.mark.parametrize("shards", [1, 5])
def test_redirects_cross_shards_and_every_link_has_one_row(tmp_path: Path, web: Web, shards: int) -> None:
    addresses = addresses_of(web)
    pages = fetch(tmp_path, addresses, shards)
    assert sorted(pages["url"].to_pylist()) == sorted(addresses)
    assert set(pages["outcome"].to_pylist()) == {"fetched"}
    assert {urls.host(url) for url in pages["final_url"].to_pylist()} == {"127.4.0.4"}
    for row in pages.to_pylist():
        record = read_record(row["warc_file"], row["warc_offset"], row["warc_length"])
        response = read_response(record, AT_ONCE.max_bytes)
        assert isinstance(response, HttpResponse)
        assert response.body == urls.path(row["url"]).encode()
    assert set(web.requests().values()) == {1}
    assert set(web.most_open.values()) == {1}
    owners = {owner_of(f"127.4.0.{number}", shards) for number in range(1, 5)}
    assert len(files.archives(str(tmp_path))) == len(owners)
    asked = len(web.hits)
    again = fetch(tmp_path, addresses, shards)
    assert len(web.hits) == asked
    assert again.equals(pages)


def test_how_links_end_does_not_depend_on_the_number_of_shards(tmp_path: Path, web: Web) -> None:
    addresses = [*addresses_of(web), "http://10.0.0.1/", "http://[::1]/"]
    one, many = (fetch(tmp_path / str(shards), addresses, shards) for shards in (1, 7))
    same = ["id", "url", "final_url", "status", "content_type", "payload_sha256", "outcome", "reason", "detail"]
    assert one.select(same).equals(many.select(same))


def test_only_what_nobody_has_is_wanted() -> None:
    links = pa.table({"id": ["1" * 32, "2" * 32], "url": ["http://a.test/", "http://b.test/"]})
    wanted = wanted_links(links, pa.chunked_array([pa.array(["1" * 32])]))
    assert wanted.to_pylist() == [{"id": "2" * 32, "trail": ["http://b.test/"]}]
    assert len(wanted_links(links, links["id"])) == 0

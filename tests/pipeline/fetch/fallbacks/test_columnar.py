"""Common Crawl by its columnar index, or an extract of it."""

import datetime
import re
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.fetch.fallbacks.columnar import find
from pipeline.fetch.fallbacks.held import Held
from tests.pipeline.fetch.archive_bytes import id_of
from tests.pipeline.fetch.fallbacks.asked import ask
from tests.pipeline.fetch.fallbacks.services import CommonCrawlHost, Crawled, seconds
from tests.pipeline.fetch.live.web import serving
from webtext.errors import UserError

PAGE = "http://a.test/page?b=2"
OTHER = "http://b.test/other"
STAMP = "20150304120000"

LAYOUT = pa.schema(
    [
        pa.field("url_surtkey", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("fetch_time", pa.timestamp("ms"), nullable=False),
        pa.field("fetch_status", pa.int16(), nullable=False),
        pa.field("content_digest", pa.string()),
        pa.field("content_mime_type", pa.string()),
        pa.field("content_mime_detected", pa.string()),
        pa.field("content_truncated", pa.string()),
        pa.field("warc_filename", pa.string(), nullable=False),
        pa.field("warc_record_offset", pa.int32(), nullable=False),
        pa.field("warc_record_length", pa.int32(), nullable=False),
    ]
)
"""The columns that matter of commoncrawl/cc-index-table's flat schema."""


def surt(url: str) -> str:
    """The key that the index is sorted by, as far as it matters: of an address that is none, something."""
    authority, _, rest = url.partition("://")[2].partition("/")
    host, colon, port = authority.partition(":")
    return f"{','.join(reversed(re.sub('^www[0-9]*[.]', '', host).split('.')))}{colon}{port})/{rest}"


def row(url: str, **changes: Any) -> dict[str, Any]:
    moment = datetime.datetime.fromtimestamp(seconds(STAMP), datetime.UTC).replace(tzinfo=None)
    fixed = {"fetch_time": moment, "fetch_status": 200, "content_digest": "D", "warc_filename": "f/warc/a.warc.gz"}
    place = {"warc_record_offset": 5, "warc_record_length": 7}
    kinds = {"content_mime_type": "text/html", "content_mime_detected": "text/html", "content_truncated": None}
    return {"url_surtkey": surt(url), "url": url, **fixed, **place, **kinds, **changes}


def index_of(folder: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema = LAYOUT, name: str = "part-0") -> Path:
    """An index file where Common Crawl would have it."""
    path = folder / "crawl=CC-MAIN-2015-11" / "subset=warc" / f"{name}.c000.gz.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([{each: one.get(each) for each in schema.names} for one in rows], schema=schema)
    pq.write_table(table, path, row_group_size=4, compression="gzip")
    return path


def held(url: str) -> Held:
    return Held(url, seconds(STAMP), 200, "text/html", "", "D", "f/warc/a.warc.gz", 5, 7)


@pytest.mark.parametrize(
    "spelling",
    [
        PAGE,
        "https://a.test/page?b=2",
        "http://www.a.test/page?b=2",
        "https://www.a.test/page/?b=2",
    ],
)
def test_every_spelling_of_a_link_is_found(tmp_path: Path, spelling: str) -> None:
    others = [row(f"http://a.test/{number}") for number in range(20)]
    path = index_of(tmp_path, [*others, row(spelling), row("http://a.test/page?b=3")])
    assert find([str(path)], [PAGE, OTHER]).of(id_of(PAGE)) == [held(spelling)]
    assert find([str(path)], [OTHER]).of(id_of(PAGE)) == []


def test_a_slash_at_the_end_is_the_same(tmp_path: Path) -> None:
    path = index_of(tmp_path, [row("http://a.test/x/"), row("http://a.test/x"), row("http://a.test")])
    hits = find([str(path)], ["http://a.test/x", "http://a.test/"])
    assert len(hits.of(id_of("http://a.test/x"))) == 2
    assert len(hits.of(id_of("http://a.test/"))) == 1
    queries = index_of(tmp_path, [row("http://a.test/x/?a=/?b"), row("http://a.test?a=1"), row("http://b.test/?a=1")])
    wanted = ["http://www.a.test/x?a=/?b", "http://a.test/?a=1", "http://b.test/?a=2"]
    assert [len(find([str(queries)], wanted).of(id_of(url))) for url in wanted] == [1, 1, 0]


def test_several_files_and_captures(tmp_path: Path) -> None:
    one = index_of(tmp_path, [row(PAGE), row(OTHER, content_truncated="length")], name="part-1")
    two = index_of(
        tmp_path, [row(PAGE, fetch_status=404, content_mime_type=None, content_mime_detected=None)], name="part-2"
    )
    hits = find([str(one), str(two)], [PAGE, OTHER])
    assert hits.of(id_of(PAGE)) == [held(PAGE), held(PAGE)._replace(status=404, content_type="")]
    assert hits.of(id_of(OTHER)) == [held(OTHER)._replace(truncated="length")]
    assert hits.of("0" * 32) == hits.of("f" * 32) == []


def test_an_index_of_early_crawls_has_fewer_columns(tmp_path: Path) -> None:
    names = [name for name in LAYOUT.names if name not in {"content_truncated", "content_digest", "content_mime_type"}]
    path = index_of(tmp_path, [row(PAGE)], pa.schema([LAYOUT.field(name) for name in names]))
    assert find([str(path)], [PAGE]).of(id_of(PAGE)) == [held(PAGE)._replace(digest="")]


def test_times_with_a_zone_and_other_types(tmp_path: Path) -> None:
    changed = {"fetch_time": pa.timestamp("ns", "UTC"), "fetch_status": pa.int64(), "warc_record_offset": pa.int64()}
    schema = pa.schema([pa.field(field.name, changed.get(field.name, field.type)) for field in LAYOUT])
    path = index_of(tmp_path, [row(PAGE)], schema)
    assert find([str(path)], [PAGE]).of(id_of(PAGE)) == [held(PAGE)]


def test_addresses_that_are_none(tmp_path: Path) -> None:
    path = index_of(tmp_path, [row("http://[bad/"), row(""), row("dns:a.test"), row(PAGE)])
    assert find([str(path)], [PAGE]).of(id_of(PAGE)) == [held(PAGE)]


def test_rows_of_other_hosts_are_not_read(tmp_path: Path) -> None:
    """Told by a column that breaks when it is read: of groups that are left out, no column is."""
    rows = sorted((row(f"http://h{number:02}.test/{number}") for number in range(40)), key=itemgetter("url_surtkey"))
    path = index_of(tmp_path, rows)
    content = bytearray(path.read_bytes())
    with pq.ParquetFile(path) as file:
        group = next(each for each in range(10) if "h20" in file.metadata.row_group(each).column(0).statistics.min)
        for each in range(10):
            column = file.metadata.row_group(each).column(1)
            if each != group:
                start = column.dictionary_page_offset or column.data_page_offset
                content[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(content)
    assert len(find([str(path)], ["http://h20.test/20"]).of(id_of("http://h20.test/20"))) == 1
    assert find([str(path)], ["http://nobody.test/"]).of(id_of("http://nobody.test/")) == []
    with pytest.raises(OSError, match=r"(?i)page|thrift|deserialize"):
        find([str(path)], ["http://h20.test/20", "http://h01.test/1"])


def test_an_index_on_a_remote_file_system(tmp_path: Path) -> None:
    content = index_of(tmp_path, [row(PAGE), row(OTHER)]).read_bytes()
    remote = "memory://cc-index/crawl=CC-MAIN-2015-11/subset=warc/part-0.parquet"
    with fsspec.open(remote, "wb") as file:
        file.write(content)
    assert find([remote], [PAGE]).of(id_of(PAGE)) == [held(PAGE)]


def test_what_is_no_index(tmp_path: Path) -> None:
    wrong = index_of(tmp_path, [row(PAGE)], pa.schema([LAYOUT.field("url"), LAYOUT.field("fetch_time")]))
    with pytest.raises(UserError, match=r"fetch\.commoncrawl_index.*no column 'fetch_status'"):
        find([str(wrong)], [PAGE])
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"a\.parquet \(fetch\.commoncrawl_index\)"):
        find([str(tmp_path / "a.parquet")], [PAGE])


def rows_of(host: CommonCrawlHost) -> list[dict[str, Any]]:
    return [
        row(
            each["url"],
            fetch_time=datetime.datetime.strptime(each["timestamp"], "%Y%m%d%H%M%S"),  # noqa: DTZ007 - as in the index
            fetch_status=int(each["status"]),
            content_mime_type=each["mime"],
            warc_filename=each["filename"],
            warc_record_offset=int(each["offset"]),
            warc_record_length=int(each["length"]),
        )
        for each in host.rows
    ]


def test_pages_come_without_a_question_to_the_index_server(tmp_path: Path) -> None:
    late = Crawled(PAGE, "20190101120000", b"late")
    moved = Crawled("http://a.test/moved", STAMP, b"", "301 Moved", (f"Location: {OTHER}",))
    diagnosed = Crawled(PAGE, "20150301120000", b"no", subset="crawldiagnostics")
    host = CommonCrawlHost([late, Crawled(PAGE, STAMP, b"near"), moved, Crawled(OTHER, STAMP, b"there"), diagnosed])
    path = index_of(tmp_path / "index", rows_of(host))
    links = {PAGE: STAMP, moved.url: STAMP, "http://a.test/gone": None}
    with serving(host) as web:
        asked = ask(tmp_path / "pages", "commoncrawl", web, links, index=[path])
        assert all("crawl-data" in path for path in web.paths())
        assert len(web.hits) == 3
    assert asked.page(PAGE).body == b"near"
    assert asked.page(moved.url).body == b"there"
    assert asked.row("http://a.test/gone")["detail"] == "no such name; commoncrawl: no capture"

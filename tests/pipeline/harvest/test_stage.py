"""The whole stage on Beam: files in, files and books out, the same bytes whatever the order of the input."""

import bz2
import gzip
import lzma
import pickle
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import orjson
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline import schemas, tables, urls
from pipeline.harvest.blocklists import BlockLists, block_lists
from pipeline.harvest.rules import Rules
from pipeline.harvest.stage import HarvestLinks, summed_up
from pipeline.harvest.tasks import Harvested
from webtext import parquet
from webtext.storage import FileRecord


class _Keep(beam.DoFn):
    """Leaves each result as a file, since a runner pickles what it is given."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, element: Harvested) -> None:
        Path(self._folder, uuid.uuid4().hex).write_bytes(pickle.dumps(element))


def _harvest(
    tmp_path: Path, dumps: Sequence[Path], url_lists: Sequence[Path] = (), partitions: int = 4, **options: Any
) -> tuple[Path, Sequence[FileRecord], Mapping[str, Any]]:
    kept = tmp_path / "results"
    kept.mkdir()
    folder = tmp_path / "links"
    options.setdefault("lists", block_lists())
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        harvest = HarvestLinks([*map(str, dumps)], [*map(str, url_lists)], str(folder), partitions, **options)
        _ = pipeline | harvest | beam.ParDo(_Keep(str(kept)))
    found = summed_up(pickle.loads(path.read_bytes()) for path in kept.iterdir())
    return folder, found.files, found.counters


def _posts(numbers: Iterable[int], **changes: Any) -> bytes:
    return b"\n".join(
        orjson.dumps(
            {
                "id": f"{number:x}",
                "url": f"http://site{number % 50}.org/page/{number}",
                "subreddit": "x",
                "score": number % 7,
                "created_utc": 1_300_000_000 + number,
                "title": f"Post {number}",
                "is_self": False,
                **changes,
            }
        )
        for number in numbers
    )


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    folder = tmp_path / "in"
    folder.mkdir()
    dumps = {
        "RS_1.bz2": bz2.compress(_posts(range(400))),
        "RS_2.xz": lzma.compress(_posts(range(300, 700))),
        "RS_3": _posts(range(700, 720), url="http://i.imgur.com/x.png", score=5),
        "RS_4.gz": gzip.compress(_posts(range(800, 900)))[:-30],
        "RS_5": b"",
    }
    for name, content in dumps.items():
        (folder / name).write_bytes(content)
    (folder / "list.txt").write_text(
        "http://site1.org/page/1\nhttp://listed.org/\nnonsense\nhttp://en.wikipedia.org/\n"
    )
    return [folder / name for name in dumps], [folder / "list.txt"]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_links_ledger_and_books(inputs: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    folder, files, counters = _harvest(tmp_path, *inputs)
    parts = [parquet.read(path) for path in parquet.list_parts(str(folder))]
    assert [record.path for record in files if not record.path.startswith("_")] == [
        parquet.part_name(partition) for partition in range(4)
    ]
    assert {record.path: record.rows for record in files} == {
        str(path.relative_to(folder)): parquet.read(str(path)).num_rows for path in folder.rglob("*.parquet")
    }
    for partition, part in enumerate(parts):
        tables.require_schema(part, schemas.LINKS)
        ids = part["id"].to_pylist()
        assert ids == sorted(set(ids))
        assert all(tables.partition_of(each, 4) == partition for each in ids)
    links = {row["url"]: row for part in parts for row in part.to_pylist()}
    good = {number for number in [*range(700), *range(800, 900)] if number % 7 >= 3}
    pages = {f"http://site{number % 50}.org/page/{number}" for number in good}
    # The gzip is cut in its last and only block, so its lines may be there in part.
    early = {url for url in pages if int(url.rpartition("/")[2]) < 700}
    lists = {"http://site1.org/page/1", "http://listed.org/", "http://en.wikipedia.org/"}
    assert early | lists | {"http://i.imgur.com/x.png"} <= set(links) <= pages | lists | {"http://i.imgur.com/x.png"}
    assert len(links["http://i.imgur.com/x.png"]["submissions"]) == 20

    ledger = pa.concat_tables(parquet.read(path) for path in parquet.list_parts(str(folder / "_ledger")))
    tables.require_schema(ledger, schemas.LEDGER)
    assert {row["url"]: row["reason"] for row in ledger.to_pylist()} == {
        "http://i.imgur.com/x.png": "blocked_domain",
        "http://en.wikipedia.org/": "wikipedia",
    }
    assert counters["links"] == len(links)
    assert counters["refused"] == 2
    assert counters["submissions"] == sum(counters["submissions_by_reason"].values())
    reasons = counters["submissions_by_reason"]
    assert reasons["repeated"] == sum(number % 7 >= 3 for number in range(300, 400))
    assert reasons["truncated"] == 1
    assert reasons["bad_url"] == 1
    assert counters["sources"]["RS_5"]["lines"] == 0
    warning, nothing = sorted(counters["warnings"])
    assert nothing.startswith("RS_5: nothing is in it")
    assert "RS_4.gz" in warning


def test_same_bytes_in_any_order(inputs: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    dumps, lists = inputs
    found = []
    for name, order, batch_rows in (
        ("a", dumps, 50_000),
        ("b", dumps[::-1], 50_000),
        ("c", dumps[2:] + dumps[:2], 100),
    ):
        (tmp_path / name).mkdir()
        folder, files, counters = _harvest(tmp_path / name, order, lists, batch_rows=batch_rows)
        found.append((_bytes(folder), files, orjson.dumps(counters)))
    assert found[0] == found[1] == found[2]
    assert len(found[0][0]) > 4


def test_no_input_at_all(tmp_path: Path) -> None:
    folder, files, counters = _harvest(tmp_path, [], [], partitions=3)
    assert [record.rows for record in files] == [0, 0, 0]
    assert counters["submissions"] == 0
    tables.require_schema(parquet.read(str(folder / "part-00000.parquet")), schemas.LINKS)


def test_rules_reach_the_posts(inputs: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    _, _, counters = _harvest(tmp_path, inputs[0][:1], rules=Rules(min_karma=6, karma_rule="sum"), lists=BlockLists())
    assert counters["links"] == sum(number % 7 >= 6 for number in range(400))
    assert counters["submissions_by_reason"]["low_karma"] == 400 - counters["links"]


def test_real_posts(shared_data: Path, tmp_path: Path) -> None:
    """58,477 real posts; of 1,728 of them it is known whether they are eligible."""
    dumps = sorted((shared_data / "world" / "submissions").glob("RS_*.zst"))
    folder, _, counters = _harvest(tmp_path, dumps, partitions=8)
    assert counters["submissions"] == 58_477
    links = pa.concat_tables(parquet.read(path) for path in parquet.list_parts(str(folder)))
    ids = set(links["id"].to_pylist())
    with gzip.open(shared_data / "world" / "truth.jsonl.gz") as file:
        pages = [orjson.loads(line) for line in file]
    assert len(pages) == 1_728
    for page in pages:
        url = urls.normalise(page["url"])
        assert url is not None
        assert (urls.link_id(url) in ids) is (page["eligible"] == "yes"), page["url"]

    ledger = pa.concat_tables(parquet.read(path) for path in parquet.list_parts(str(folder / "_ledger")))
    refused = dict(zip(ledger["id"].to_pylist(), ledger["reason"].to_pylist(), strict=True))
    assert set(refused) <= ids
    for page in pages:
        reason = refused.get(urls.link_id(str(urls.normalise(page["url"]))))
        if page["wikipedia"] and page["eligible"] == "yes":
            assert reason == "wikipedia", page["url"]
        if page["gold_kind"] == "full+snippets":
            assert reason is None, page["url"]

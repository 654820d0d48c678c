"""The documents stage: every fetched page ends as a document or as a ledger row, whatever happens on the way."""

import dataclasses
import datetime
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import psutil
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline import progress, schemas, tables
from pipeline.commits import Commit, commit_name
from pipeline.extract.files import PartitionFiles
from pipeline.extract.rules import ExtractRules
from pipeline.extract.stage import ExtractDocuments, Task
from pipeline.extract.task import Page, ReadPage
from pipeline.ledger import Reason
from pipeline.sandbox import Done, Limits, Sandbox
from webtext import parquet, storage

CHECKOUT = Path(__file__).parent.parent.parent.parent
sys.path.append(str(CHECKOUT))  # children look for the tests' tasks where their parent does

from tests.pipeline.extract.stage_tasks import StandIn, modules_of_a_child  # noqa: E402

PARTITIONS = 4
QUICK = Limits(workers=2, deadline_seconds=0.5)
WHEN = datetime.datetime(2012, 3, 4, 5, 6, 7, tzinfo=datetime.UTC)


def make_run(folder: Path, records: Sequence[str], partitions: int = PARTITIONS) -> Path:
    """A run with links and pages: one archive of records, a link and a page for each, and links without a page."""
    folder.mkdir(exist_ok=True)
    archive = folder / "pages.warc"
    archive.write_text("".join(records))
    links, pages = [], []
    offset = 0
    for number, record in enumerate(records):
        url = f"http://example.org/{number}"
        link = hashlib.sha256(url.encode()).hexdigest()[:32]
        post = {"id": f"p{number}", "subreddit": "pics", "score": 3, "created_utc": WHEN, "title": "T", "source": "RS"}
        links.append(
            {"id": link, "url": url, "domain": "example.org", "score": 3, "created_utc": WHEN, "submissions": [post]}
        )
        page = dict.fromkeys(schemas.PAGES.names) | {"id": link, "url": url, "reason": "", "detail": ""}
        pages.append(page | {"outcome": "failed", "reason": "not_in_archive"} if record == "" else page | {
            "outcome": "fetched", "source": "warc", "fetched_at": WHEN, "final_url": url, "warc_file": str(archive),
            "warc_offset": offset, "warc_length": len(record.encode()),
        })  # fmt: skip
        offset += len(record.encode())
    for name, rows, schema in (("links", links, schemas.LINKS), ("pages/index", pages, schemas.PAGES)):
        table = tables.sorted_by(pa.Table.from_pylist(rows, schema), "id")
        parts = dict(tables.split(table, partitions))
        for partition in range(partitions):
            part = parts.get(partition, schema.empty_table())
            parquet.write(str(folder / name), parquet.part_name(partition), part)
    return folder


def files_of(run: Path, key: str = "k") -> PartitionFiles:
    return PartitionFiles(str(run / "links"), str(run / "pages"), str(run / "documents"), key, permutations=16)


def extract(
    run: Path, task: Task, limits: Limits = QUICK, key: str = "k", partitions: Sequence[int] = range(PARTITIONS)
) -> list[Commit]:
    """Run the stage; returns its commits in the order in which they came."""
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        commits = pipeline | beam.Create(list(partitions)) | ExtractDocuments(files_of(run, key), task, limits)
        _ = commits | beam.Map(note, run / "order")
    order = [files_of(run, key).committed(int(line)) for line in (run / "order").read_text().split()]
    (run / "order").unlink()
    return [commit for commit in order if commit is not None]


def note(commit: Commit, path: Path) -> None:
    with path.open("a") as file:
        file.write(f"{commit.partition}\n")


def digests(run: Path) -> dict[str, str]:
    """Every file of the stage with its bytes' hash."""
    folder = run / "documents"
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(run: Path, folder: str = "") -> list[dict[str, Any]]:
    parts = parquet.list_parts(str(run / "documents" / folder))
    assert len(parts) == PARTITIONS
    return pa.concat_tables([parquet.read(part) for part in parts]).to_pylist()  # type: ignore[no-any-return]


MIXED = [
    *[f"text page {number} has some words " for number in range(30)],
    "short",
    "",
    "hang",
    "crash",
    "raise",
    "titled words ",
]


def test_every_fetched_page_ends_as_a_document_or_in_the_ledger(tmp_path: Path) -> None:
    run = make_run(tmp_path, MIXED)
    commits = extract(run, StandIn())
    documents, ledger, signatures = read(run), read(run, "_ledger"), read(run, "_signatures")

    assert [row["id"] for row in documents] == sorted(row["id"] for row in documents)
    assert [row["id"] for row in signatures] == [row["id"] for row in documents]
    texts = [record.partition(" ")[2].strip() for record in MIXED if record.startswith(("text", "titled"))]
    assert sorted(row["text"] for row in documents) == sorted(texts)
    assert {row["url"]: (row["outcome"], row["reason"], row["detail"]) for row in ledger} == {
        "http://example.org/30": ("dropped", "too_short", "3 words"),
        "http://example.org/32": ("failed", "extraction_timeout", "more than 0.5 seconds"),
        "http://example.org/33": ("failed", "extraction_crash", "exit status 3"),
        "http://example.org/34": ("failed", "extraction_crash", "ValueError: at <object at 0x...>"),
    }
    assert {row["stage"] for row in ledger} == {"documents"}
    assert {row["title"] for row in documents} == {"T", "A title"}
    (titled,) = [row for row in documents if row["title"] == "A title"]
    assert titled == {
        "id": titled["id"], "text": "words", "url": "http://example.org/35", "domain": "example.org",
        "title": "A title",
        "language": "en", "language_score": 0.5, "score": 3, "subreddits": ["pics"], "submission_ids": ["p35"],
        "created_utc": WHEN, "fetched_at": WHEN, "source": "warc", "char_count": 5, "word_count": 1,
        "text_sha256": hashlib.sha256(b"words").hexdigest(),
    }  # fmt: skip
    for commit in commits:
        for file in commit.files:
            content = (run / "documents" / file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    totals = {reason: sum(commit.counters.get(reason, 0) for commit in commits) for reason in Reason}
    assert {reason.value: total for reason, total in totals.items() if total} == {
        "kept": 31, "too_short": 1, "extraction_timeout": 1, "extraction_crash": 2,
    }  # fmt: skip


def test_a_run_without_pages_still_has_all_its_files(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["", ""])
    commits = extract(run, StandIn())
    assert read(run) == read(run, "_ledger") == read(run, "_signatures") == []
    assert [commit.counters for commit in commits] == [{}] * PARTITIONS
    for folder, schema in (
        ("", schemas.DOCUMENTS), ("_signatures", schemas.signatures(16)), ("_ledger", schemas.LEDGER),
    ):  # fmt: skip
        for part in parquet.list_parts(str(run / "documents" / folder)):
            tables.require_schema(parquet.read(part), schema)


def test_the_bytes_depend_on_neither_workers_nor_order(tmp_path: Path) -> None:
    found = []
    for name, workers, partitions in (("one", 1, [0, 1, 2, 3]), ("three", 3, [3, 1, 0, 2])):
        run = make_run(tmp_path, MIXED)
        extract(run, StandIn(), dataclasses.replace(QUICK, workers=workers), partitions=partitions)
        found.append(digests(run))
        (run / "documents").rename(tmp_path / name)
    assert found[0] == found[1]


def test_a_slow_page_does_not_hold_up_the_next_partitions(tmp_path: Path) -> None:
    """The children go on with partition 1 and more while the longest page of partition 0 is read."""
    records = [f"text {number} " for number in range(60)]
    first = next(
        number for number in range(60)
        if tables.partition_of(hashlib.sha256(f"http://example.org/{number}".encode()).hexdigest(), PARTITIONS) == 0
    )  # fmt: skip
    records[first] = "nap 1.5   "
    run = make_run(tmp_path, records)
    commits = extract(run, StandIn(), Limits(workers=2))
    assert [commit.partition for commit in commits][-1] == 0
    assert [commit.partition for commit in commits][:2] == [1, 2]


def test_finished_partitions_are_not_done_again(tmp_path: Path) -> None:
    run, traces = make_run(tmp_path, MIXED[:30]), tmp_path / "traces"
    traces.mkdir()
    task = StandIn(str(traces))

    def pages_read(key: str = "k") -> int:
        for trace in traces.iterdir():
            trace.unlink()
        extract(run, task, key=key)
        return len(list(traces.iterdir()))

    documents = run / "documents"
    assert pages_read() == 30
    before = digests(run)
    assert pages_read() == 0
    inside = parquet.read(str(documents / "part-00001.parquet")).num_rows
    (documents / commit_name(1)).unlink()
    assert pages_read() == inside
    (documents / commit_name(1)).write_text('{"partition": 1, ')
    assert pages_read() == inside
    (documents / "_ledger" / "part-00001.parquet").unlink()
    assert pages_read() == inside
    with (documents / "part-00001.parquet").open("ab") as file:
        file.write(b"more")
    assert pages_read() == inside
    assert digests(run) == before
    assert pages_read("another key") == 30
    assert pages_read() == 30


def test_after_a_kill_only_what_was_unfinished_is_done_again(tmp_path: Path) -> None:
    records = [f"text page {number} " for number in range(80)]
    whole, run = make_run(tmp_path / "whole", records), make_run(tmp_path / "killed", records)
    extract(whole, StandIn())
    script = (
        "import sys; from pathlib import Path; from tests.pipeline.extract.test_stage import *\n"
        "extract(Path(sys.argv[1]), StandIn(seconds=0.02))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(run)], env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, cwd=tmp_path
    )
    commits = run / "documents" / "_commits"
    end = time.monotonic() + 60
    while not list(commits.glob("part-*.json")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in commits.glob("part-*.json")}
    assert 0 < len(finished) < PARTITIONS

    storage.remove_temporaries(str(run / "documents"))
    extract(run, StandIn())
    assert {name: (commits / name).stat().st_mtime_ns for name in finished} == finished
    assert digests(run) == digests(whole)


def test_progress_and_metrics_count_every_page_once(tmp_path: Path) -> None:
    run = make_run(tmp_path, MIXED)
    told: list[tuple[str, int]] = []
    with progress.listening(lambda stage, done: told.append((stage, done))):
        extract(run, StandIn())
        first = sum(done for _, done in told)
        extract(run, StandIn())
    assert {stage for stage, _ in told} == {"documents"}
    assert first == len(MIXED) - 1
    assert sum(done for _, done in told) == 2 * first

    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | beam.Create(range(PARTITIONS)) | ExtractDocuments(files_of(run, "again"), StandIn(), QUICK)
    result = pipeline.run()
    counters = {each.key.metric.name: each.result for each in result.metrics().query()["counters"]}
    assert {reason: counters[reason] for reason in ("kept", "too_short", "extraction_crash")} == {
        "kept": 31, "too_short": 1, "extraction_crash": 2,
    }  # fmt: skip


def test_an_archive_that_is_gone_is_told_in_one_sentence(tmp_path: Path) -> None:
    run = make_run(tmp_path, ["text words "])
    (run / "pages.warc").unlink()
    with pytest.raises(Exception, match=r"cannot read .*pages\.warc: No such file or directory; put the archive back"):
        extract(run, StandIn())


def test_pools_are_closed_after_the_pipeline(tmp_path: Path) -> None:
    extract(make_run(tmp_path, ["text words "]), StandIn())
    command_lines = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert not [line for line in command_lines if "pipeline.sandbox" in line]


def test_children_import_neither_beam_nor_arrow_nor_numba() -> None:
    """A hundred megabytes a child, and a second of start, if they did."""
    reader = ReadPage(ExtractRules())
    sandbox: Sandbox[Page, list[str]]
    with Sandbox(modules_of_a_child, Limits(workers=1), warm_up=reader.warm_up) as sandbox:
        ((_, verdict),) = sandbox.map([(0, Page(b"", ""))])
    assert isinstance(verdict, Done), verdict
    assert "trafilatura" in verdict.value
    assert not {"apache_beam", "pyarrow", "numba", "fsspec", "pandas", "multiprocessing"} & set(verdict.value)


def test_many_records_of_wild_make_all_find_their_place(tmp_path: Path) -> None:
    wild = random.Random(7)
    records = [wild.choice(["", "short", f"text {wild.random()} ", "titled é\u2028 ", "raise"]) for _ in range(400)]
    run = make_run(tmp_path, records)
    commits = extract(run, StandIn(), Limits(workers=3))
    fetched = sum(record != "" for record in records)
    assert sum(sum(commit.counters.values()) for commit in commits) == fetched
    assert len(read(run)) + len(read(run, "_ledger")) == fetched

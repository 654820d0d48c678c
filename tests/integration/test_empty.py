"""Runs in which nothing survives: they end well, and what they leave is a release like any other, only empty."""

import json
from pathlib import Path

import datasets
import duckdb
import polars
import pyarrow.dataset as ds
import pytest

from pipeline import schemas
from tests.integration.conftest import Webtext
from tests.integration.rows import id_of, rows_by_id

NOWHERE = "http://nowhere.example.org/page"


def corpus(webtext: Webtext, run: Path, **keys: object) -> str:
    """Make a corpus with these config keys (two underscores for a dot); returns what the command said."""
    overrides = [f"{key.replace('__', '.')}={json.dumps(value)}" for key, value in keys.items()]
    done = webtext("corpus", "--set", f"output={run}", *(part for each in overrides for part in ("--set", each)))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{run}/corpus\n"
    assert "Traceback" not in done.stderr
    return done.stderr


def counters(run: Path, stage: str) -> dict[str, object]:
    return dict(json.loads((run / stage / "manifest.json").read_text())["counters"])


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory, webtext: Webtext) -> Path:
    """A run of which all links are in no archive."""
    folder = tmp_path_factory.mktemp("nothing")
    (folder / "urls.txt").write_text(f"{NOWHERE}\n")
    archive = "samples/archives/pages-00002.warc"
    corpus(webtext, folder / "run", harvest__urls=[f"{folder}/urls.txt"], fetch__archives=[archive])
    return folder / "run"


def test_the_one_link_is_accounted_for(nothing: Path) -> None:
    (row,) = rows_by_id(nothing / "corpus/ledger").values()
    assert (row["id"], row["stage"], row["outcome"], row["reason"]) == (
        id_of(NOWHERE),
        "pages",
        "failed",
        "not_in_archive",
    )
    assert counters(nothing, "corpus")["kept"] == 0


def test_the_empty_release_opens_everywhere(nothing: Path, tmp_path: Path) -> None:
    data = nothing / "corpus" / "data"
    streamed = datasets.load_dataset(str(nothing / "corpus"), streaming=True, cache_dir=str(tmp_path))
    assert {name: list(split) for name, split in streamed.items()} == {"train": [], "validation": []}
    assert duckdb.execute(f"SELECT count(*), count(text) FROM '{data}/*.parquet'").fetchall() == [(0, 0)]
    assert polars.scan_parquet(f"{data}/*.parquet").collect().columns == schemas.DOCUMENTS.names
    opened = ds.dataset(data)
    assert opened.count_rows() == 0
    assert opened.schema.equals(schemas.DOCUMENTS)


def test_report_and_card_are_written(nothing: Path, webtext: Webtext) -> None:
    for name in ("report.html", "README.md"):
        assert (nothing / "corpus" / name).stat().st_size > 1000, name
    for command in (["report"], ["inspect"], ["inspect", "--duplicates"], ["inspect", "--reason", "kept"]):
        done = webtext(*command, "--output", str(nothing))
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


def test_no_archives_at_all(tmp_path: Path, webtext: Webtext) -> None:
    dump = "samples/submissions/RS_2008-03.bz2"
    said = corpus(webtext, tmp_path / "run", harvest__dumps=[dump], harvest__urls=[], fetch__archives=[])
    endings = rows_by_id(tmp_path / "run/corpus/ledger")
    assert len(endings) > 5
    assert "kept" not in {row["reason"] for row in endings.values()}
    assert "not_in_archive" in said


def test_an_empty_dump_and_an_empty_archive(tmp_path: Path, webtext: Webtext) -> None:
    (tmp_path / "RS_2010-01.zst").touch()
    (tmp_path / "pages.warc.gz").touch()
    run = tmp_path / "run"
    said = corpus(webtext, run, harvest__dumps=[f"{tmp_path}/RS_*.zst"], fetch__archives=[f"{tmp_path}/pages.warc.gz"])
    assert "warning: RS_2010-01.zst: nothing is in it" in said
    assert rows_by_id(run / "corpus/ledger") == {}
    assert ds.dataset(run / "corpus" / "data").schema.equals(schemas.DOCUMENTS)
    assert (run / "corpus" / "report.html").stat().st_size > 1000

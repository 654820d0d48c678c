"""A release opens in what people use, and its card's own code runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import duckdb
import polars
import pyarrow.dataset
import pytest
import yaml

from pipeline import schemas
from pipeline.publish import card

Make = Callable[..., Path]


@pytest.fixture
def rows(release_folder: Path) -> dict[str, int]:
    manifest = json.loads((release_folder / "manifest.json").read_bytes())
    counted = dict.fromkeys(("train", "validation"), 0)
    for entry in manifest["outputs"]:
        if entry["path"].startswith("data/"):
            counted[entry["path"].removeprefix("data/").partition("-")[0]] += entry["rows"]
    assert counted["train"] > counted["validation"] > 0
    return counted


def test_datasets_reads_both_splits(release_folder: Path, rows: dict[str, int], tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(release_folder), cache_dir=str(tmp_path))
    assert {name: split.num_rows for name, split in loaded.items()} == rows
    assert loaded["train"].features["subreddits"] == datasets.List(datasets.Value("string"))
    assert loaded["train"].features["created_utc"] == datasets.Value("timestamp[ms, tz=UTC]")


def test_datasets_streams(release_folder: Path, rows: dict[str, int]) -> None:
    streamed = datasets.load_dataset(str(release_folder), split="validation", streaming=True)
    documents = list(streamed)
    assert len(documents) == rows["validation"]
    assert all(document["text"] for document in documents)
    assert list(streamed.features) == schemas.DOCUMENTS.names


def test_datasets_reads_the_ledger(release_folder: Path, tmp_path: Path) -> None:
    ledger = datasets.load_dataset(str(release_folder), "ledger", split="links", cache_dir=str(tmp_path))
    assert ledger.num_rows == 300


def test_duckdb_polars_pyarrow_and_pandas_read_it(release_folder: Path, rows: dict[str, int]) -> None:
    files = f"{release_folder}/data/*.parquet"
    split = "split_part(parse_filename(filename), '-', 1)"
    counted = dict(duckdb.execute(f"SELECT {split}, count(*) FROM read_parquet('{files}') GROUP BY 1").fetchall())
    assert counted == rows
    frame = polars.read_parquet(f"{release_folder}/data/train-*.parquet")
    assert frame.height == rows["train"]
    assert frame.schema["created_utc"] == polars.Datetime("ms", "UTC")
    assert frame.schema["subreddits"] == polars.List(polars.String)
    dataset = pyarrow.dataset.dataset(release_folder / "data", format="parquet")
    assert dataset.count_rows() == sum(rows.values())
    assert dataset.schema.names == schemas.DOCUMENTS.names
    assert dataset.schema.field("subreddits").type == schemas.DOCUMENTS.field("subreddits").type
    assert dataset.schema.field("created_utc").type == pyarrow.timestamp("ms", tz="UTC")  # Parquet has no seconds
    pandas = pytest.importorskip("pandas")
    assert len(pandas.read_parquet(release_folder / "data")) == sum(rows.values())


@pytest.mark.parametrize("count", [0, 1])
def test_an_almost_empty_release_opens(tmp_path: Path, make_run: Make, publish: Make, count: int) -> None:
    release = publish(make_run(tmp_path / "run", count=count), validation_fraction=0.0)
    streamed = datasets.load_dataset(str(release), split="train", streaming=True)
    assert len(list(streamed)) == count
    if count:  # datasets refuses to load a split without rows, but not to stream it
        loaded = datasets.load_dataset(str(release), cache_dir=str(tmp_path / "cache"))
        assert {name: split.num_rows for name, split in loaded.items()} == {"train": count}
    assert duckdb.execute(f"SELECT count(*) FROM '{release}/data/*.parquet'").fetchall() == [(count,)]
    assert polars.scan_parquet(f"{release}/data/*.parquet").collect().height == count
    assert pyarrow.dataset.dataset(release / "data").count_rows() == count
    _run_card(release, tmp_path)


def _run_card(release: Path, tmp_path: Path, only: int | None = None) -> str:
    blocks = re.findall(r"```python\n(.*?)```", (release / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 6
    outcome = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks if only is None else [blocks[only]])],
        cwd=release,
        env={**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_the_code_of_the_card_runs(release_folder: Path, rows: dict[str, int], tmp_path: Path) -> None:
    printed = _run_card(release_folder, tmp_path)
    assert str(rows["validation"]) in printed
    assert "nytimes.com" in printed


def test_the_checksum_code_of_the_card_finds_a_changed_file(tmp_path: Path, make_run: Make, publish: Make) -> None:
    release = publish(make_run(tmp_path / "run", count=30))
    with (release / "README.md").open("a") as file:
        file.write("One more word.\n")
    with pytest.raises(AssertionError, match="is not what was published"):
        _run_card(release, tmp_path, only=-1)


def test_the_front_matter_says_what_is_there(release_folder: Path, rows: dict[str, int]) -> None:
    _, front, body = (release_folder / "README.md").read_text("utf-8").split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["language"] == ["de", "en"]
    assert facts["size_categories"] == ["n<1K"]
    assert {split["name"]: split["num_examples"] for split in facts["dataset_info"]["splits"]} == rows
    assert [feature["name"] for feature in facts["dataset_info"]["features"]] == schemas.DOCUMENTS.names
    assert "{{" not in body
    assert "{%" not in body


def test_the_card_tells_the_rules_and_whom_to_ask(tmp_path: Path, make_run: Make, publish: Make) -> None:
    run = make_run(tmp_path / "run", count=40)
    manifest = json.loads((run / "links/manifest.json").read_bytes())
    manifest["config"] = {"harvest": {"min_karma": 7, "karma_rule": "sum", "before": "2018-01-01"}}
    (run / "links/manifest.json").write_text(json.dumps(manifest))
    text = (publish(run, contact="takedown@example.org") / "README.md").read_text("utf-8")
    assert "at least 7 karma" in text
    assert "`karma_rule: sum`" in text
    assert "write to takedown@example.org" in text


def test_size_categories_have_no_gap() -> None:
    limits = [limit for limit, _ in card.SIZES]
    assert limits == sorted(limits)

"""`webtext report` and `webtext inspect` as a user starts them, on a copy of the finished sample run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Webtext
from tests.integration.rows import Row, id_of, rows_by_id
from tests.integration.shards import shards

CONFIG = ("--config", "configs/corpus/sample.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, sample_run: Path) -> Path:
    """The sample run in a folder whose name means something to globs."""
    folder = tmp_path_factory.mktemp("looking") / "run [2017] *"
    shutil.copytree(sample_run, folder)
    return folder


@pytest.fixture(scope="module")
def ledger(run: Path) -> dict[str, Row]:
    return rows_by_id(run / "corpus/ledger")


def lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("by", ["name", "output", "config"])
def test_a_report_is_written_anew(webtext: Webtext, run: Path, by: str) -> None:
    """The same as the first one, and in the release's manifest."""
    path = run / "corpus" / "report.html"
    before, data = path.read_text("utf-8"), shards(run)
    path.unlink()
    named = {
        "name": (str(run),),
        "output": ("--output", str(run)),
        "config": (*CONFIG, "--set", f"output={json.dumps(str(run))}"),
    }
    done = webtext("report", *named[by])
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{path}\n"
    assert path.read_text("utf-8") == before
    assert shards(run) == data
    manifest = json.loads((run / "corpus" / "manifest.json").read_text())
    (record,) = [each for each in manifest["outputs"] if each["path"] == "report.html"]
    assert record["bytes"] == path.stat().st_size


def test_a_run_that_was_looked_at_is_still_finished(webtext: Webtext, sample_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(sample_run, copy)
    assert webtext("report", "--output", str(copy)).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    done = webtext("corpus", *CONFIG, "--set", f"output={copy}")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()} == before


def test_inspect_shows_links_of_every_kind(webtext: Webtext, run: Path, ledger: dict[str, Row]) -> None:
    done = webtext("inspect", *CONFIG, "--set", f"output={json.dumps(str(run))}", "--json", "--count", "1000")
    assert done.returncode == 0, done.stderr
    shown = lines(done.stdout)
    assert {each["id"]: (each["outcome"], each["reason"]) for each in shown} == {
        each: (row["outcome"], row["reason"]) for each, row in ledger.items()
    }
    kept = rows_by_id(run / "corpus/data")
    assert {each["id"]: each["text"] for each in shown if each["reason"] == "kept"} == {
        each: row["text"] for each, row in kept.items()
    }


def test_inspect_by_reason_and_domain(webtext: Webtext, run: Path, ledger: dict[str, Row]) -> None:
    done = webtext("inspect", "--output", str(run), "--json", "--reason", "kept", "--domain", "merrowgazette.co.uk")
    assert done.returncode == 0, done.stderr
    shown = lines(done.stdout)
    assert len(shown) > 3
    assert {each["reason"] for each in shown} == {"kept"}
    assert all("merrowgazette.co.uk/" in each["url"] for each in shown)
    read = webtext("inspect", "--output", str(run), "--reason", "too_short", "--count", "2")
    assert read.stdout.count("dropped in documents: too_short") == 2
    assert "\x1b" not in read.stdout


def test_inspect_shows_duplicates_side_by_side(webtext: Webtext, run: Path) -> None:
    done = webtext("inspect", "--output", str(run), "--duplicates", "--json")
    assert done.returncode == 0, done.stderr
    pairs = {each["id"]: each for each in lines(done.stdout)}
    assert pairs.keys() == rows_by_id(run / "duplicates").keys()
    assert all(pair["text"] and pair["keeper_text"] for pair in pairs.values())
    read = webtext("inspect", "--output", str(run), "--duplicates", "--reason", "near_duplicate")
    assert read.stdout.count("near_duplicate, similarity 0.") >= 3
    assert "[-" in read.stdout
    assert "{+" in read.stdout


@pytest.mark.parametrize(
    "spelling",
    [
        "http://www.merrowgazette.co.uk/news/2014/05/boats-on-the-wall.html",
        "https://MerrowGazette.co.uk:443/news/2014/05/boats-on-the-wall.html?utm_source=x#comments",
        id_of("http://www.merrowgazette.co.uk/news/2014/05/boats-on-the-wall.html"),
    ],
)
def test_inspect_tells_all_of_one_link(webtext: Webtext, run: Path, spelling: str) -> None:
    done = webtext("inspect", "--output", str(run), "--id", spelling, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = lines(done.stdout)
    assert found["id"] == id_of("http://www.merrowgazette.co.uk/news/2014/05/boats-on-the-wall.html")
    assert found["link"]["submissions"]
    assert found["page"]["outcome"] == "fetched"
    assert "never two alike" in found["document"]["text"]
    assert found["fell_to"] or found["stands_for"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "--output", "RUN", "--reason", "too_long"], "--reason too_long: not one of kept, "),
        (["inspect", "--output", "RUN", "--id", "http://nowhere.example.org/"], "this run has no such link"),
        (["inspect", "--output", "RUN", "--colour"], "--colour"),
        (["report", "--output", "/nowhere/at/all"], "no run is in /nowhere/at/all"),
        (["report", *CONFIG, "--set", "outputs=RUN"], "did you mean output"),
        (["report"], "which run?"),
    ],
)
def test_mistakes_cost_one_sentence(webtext: Webtext, run: Path, arguments: list[str], words: str) -> None:
    done = webtext(*(str(run) if each == "RUN" else each for each in arguments))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr

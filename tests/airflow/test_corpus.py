"""webtext_corpus_monthly for real on the sample: each test is a whole `airflow dags test`, or two."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.conftest import DISK_FULL, KILLED, Airflow, Ran, finished, stumbling

DAG = "webtext_corpus_monthly"
JUNE = {"month": "2011-06"}
STAGES = {"links", "pages", "documents", "duplicates", "corpus"}


@pytest.fixture(scope="session")
def june(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """June 2011, in which `extract` is killed once."""
    killed = stumbling(tmp_path_factory.mktemp("killed"), "--until documents", KILLED)
    return airflow.test(DAG, JUNE, **killed)


def test_a_month_becomes_a_release(airflow: Airflow, june: Ran) -> None:
    assert june.state == "success", june.output
    assert set(june.states().values()) == {"success"}
    release = airflow.folder / "releases" / "2011-06" / "corpus"
    assert {path.name for path in release.iterdir()} >= {"README.md", "data", "ledger", "report.html", "_SUCCESS"}
    assert set(finished(release.parent)) == STAGES


def test_a_killed_stage_is_tried_again_and_goes_on(june: Ran) -> None:
    tries = {name: row["try_number"] for name, row in june.tasks.items()}
    assert tries.pop("extract") == 2
    assert set(tries.values()) == {1}
    assert "webtext ended with exit code 137" in june.output
    for stage in ("links  ", "pages  ", "documents  "):
        told = [line for line in june.output.splitlines() if f"] {stage}" in line and "airflow.task" in line]
        assert len(told) >= 3
        assert sum("[as before]" not in line for line in told) == 1, told


def test_those_who_wait_are_told_of_the_release(airflow: Airflow, june: Ran) -> None:
    (event,) = airflow.rows("SELECT * FROM asset_event WHERE source_dag_id = ?", DAG)
    extra = json.loads(event["extra"])
    release = airflow.folder / "releases" / "2011-06" / "corpus"
    assert event["partition_key"] == "2011-06"
    assert extra["release"] == str(release)
    assert extra["counters"]["train"] + extra["counters"]["validation"] == extra["counters"]["kept"] > 0
    assert len(extra["manifest_sha256"]) == 64


def test_the_same_month_again_changes_nothing(airflow: Airflow, june: Ran) -> None:
    before = finished(airflow.folder / "releases" / "2011-06")
    done = airflow.test(DAG, JUNE)
    assert done.state == "success", done.output
    assert finished(airflow.folder / "releases" / "2011-06") == before


def cut_off(folder: Path, dumps: Path) -> dict[str, Any]:
    (folder / "RS_2011-06.xz").write_bytes((dumps / "RS_2011-06.xz").read_bytes()[:-200])
    return {"dumps": str(folder)}


def no_archive(folder: Path, dumps: Path) -> dict[str, Any]:
    return {"overrides": [f'fetch.archives=["{folder}/*.warc.gz"]']}


@pytest.mark.parametrize(
    ("mistake", "task", "words"),
    [
        (cut_off, "check_dump", r"dumps are missing or not sound: \S+RS_2011-06.xz: not whole"),
        (no_archive, "harvest", r"fetch\.archives: no file matches"),
    ],
)
def test_what_a_person_must_mend_fails_at_once_with_its_sentence(
    airflow: Airflow,
    dumps: Path,
    tmp_path: Path,
    mistake: Callable[[Path, Path], dict[str, Any]],
    task: str,
    words: str,
) -> None:
    done = airflow.test(DAG, {**JUNE, "releases": str(tmp_path / "releases"), **mistake(tmp_path, dumps)})
    assert done.state == "failed"
    assert (done.states()[task], done.tasks[task]["try_number"]) == ("failed", 1)
    assert done.states()["announce"] == "upstream_failed"
    (raised,) = {line for line in done.output.splitlines() if line.startswith("airflow.sdk.exceptions.")}
    assert re.search(f"AirflowFailException: .*{words}", raised), raised


def test_a_full_disk_fails_with_its_sentence_and_the_next_run_goes_on(airflow: Airflow, tmp_path: Path) -> None:
    conf = {**JUNE, "releases": str(tmp_path / "releases")}
    run = tmp_path / "releases" / "2011-06"
    failed = airflow.test(DAG, conf, **stumbling(tmp_path, "--until documents", DISK_FULL))
    assert (failed.states()["extract"], failed.tasks["extract"]["try_number"]) == ("failed", 1), failed.output
    assert "AirflowFailException: cannot write" in failed.output
    before = finished(run)
    assert set(before) == {"links", "pages"}

    done = airflow.test(DAG, conf)
    assert done.state == "success", done.output
    assert {stage: finished(run)[stage] for stage in before} == before
    shutil.rmtree(run)


def test_a_run_without_a_month(airflow: Airflow) -> None:
    done = airflow.test(DAG)
    assert done.state == "failed"
    assert "this run has no partition; give the param month" in done.output

"""What holds for every DAG and every task, told by Airflow's own parser."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError

from tests.airflow.conftest import CHECKOUT

DAGS = ("webtext_corpus_monthly", "webtext_reddit_daily", "webtext_training")


@pytest.fixture(scope="session")
def bag() -> DagBag:
    return DagBag(dag_folder=str(CHECKOUT / "dags"))


def test_all_are_there_and_nothing_else_is_taken_for_a_dag(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == list(DAGS)
    assert {Path(stat.file).name for stat in bag.dagbag_stats} == {f"{name}.py" for name in DAGS}


def test_parsing_costs_little(bag: DagBag) -> None:
    for stat in bag.dagbag_stats:
        assert stat.duration < timedelta(seconds=2), stat.file


@pytest.mark.parametrize("name", DAGS)
def test_parsing_starts_asks_and_imports_nothing(name: str) -> None:
    """No process, no connection, no database, no library of webtext's; what a sandboxed parser would refuse as well."""
    program = f"""
import sys
import airflow.sdk, airflow.providers.standard.decorators.python, airflow.providers.standard.decorators.sensor
for word in ("TaskGroup", "Param", "dag", "task", "CronPartitionTimetable", "PartitionedAssetTimetable", "Connection"):
    getattr(airflow.sdk, word)
import airflow.sdk.exceptions, airflow.sdk.log
def look(event, arguments):
    if event in ("subprocess.Popen", "socket.connect", "os.fork", "os.posix_spawn", "sqlite3.connect"):
        raise AssertionError((event, arguments))
sys.path.insert(0, "dags")
sys.addaudithook(look)
import {name}
heavy = {{"webtext", "pipeline", "model", "apache_beam", "torch", "pyarrow", "praw"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DAGS)
def test_every_dag_is_described_and_bounded(bag: DagBag, name: str) -> None:
    dag = bag.dags[name]
    assert len(dag.doc_md or "") > 200
    assert "webtext" in dag.tags
    assert dag.max_active_runs == (16 if name == "webtext_corpus_monthly" else 1)
    assert dag.catchup is False
    assert dag.dagrun_timeout is not None
    assert all(param.description for param in map(dag.params.get_param, dag.params))


@pytest.mark.parametrize("name", DAGS)
def test_every_task_has_owner_retries_timeout_pool_and_words(bag: DagBag, name: str) -> None:
    pools = json.loads((CHECKOUT / "dags" / "pools.json").read_text())
    for task in bag.dags[name].tasks:
        assert task.owner == "webtext", task.task_id
        assert task.retries >= 3, task.task_id
        assert task.retry_delay >= timedelta(seconds=1), task.task_id
        assert task.retry_exponential_backoff >= 1, task.task_id
        assert task.max_retry_delay <= timedelta(hours=2), task.task_id
        assert task.execution_timeout is not None, task.task_id
        assert task.execution_timeout <= bag.dags[name].dagrun_timeout, task.task_id
        assert task.pool in pools, task.task_id
        assert task.doc_md, task.task_id


@pytest.mark.parametrize(
    ("dag", "param", "value"),
    [
        ("webtext_corpus_monthly", "month", "2013-13"),
        ("webtext_corpus_monthly", "month", "2013-05; rm"),
        ("webtext_corpus_monthly", "runner", "spork"),
        ("webtext_corpus_monthly", "overrides", ["harvest.min_karma"]),
        ("webtext_corpus_monthly", "overrides", "harvest.min_karma=5"),
        ("webtext_corpus_monthly", "overrides", ["--until=links"]),
        ("webtext_corpus_monthly", "releases", ""),
        ("webtext_corpus_monthly", "first_month", None),
        ("webtext_training", "processes", 0),
        ("webtext_training", "overrides", ["steps 5"]),
        ("webtext_reddit_daily", "run", 7),
    ],
)
def test_params_that_are_wrong_are_refused(bag: DagBag, dag: str, param: str, value: Any) -> None:
    params = bag.dags[dag].params
    with pytest.raises(ParamValidationError):
        params.get_param(param).resolve(value)


def test_months_are_partitions(bag: DagBag) -> None:
    dag: DAG = bag.dags["webtext_corpus_monthly"]
    assert dag.timetable.key_format == "%Y-%m"

"""Tests of dags/, for Airflow's own environment (`make test-airflow`); in any other there is nothing to collect."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
WEBTEXT = CHECKOUT / ".venv" / "bin" / "webtext"

collect_ignore_glob = [] if importlib.util.find_spec("airflow") else ["test_*.py"]
if not collect_ignore_glob:
    # Airflow reads its settings when it is first imported.
    HOME = tempfile.TemporaryDirectory(prefix="webtext-airflow-")
    os.environ["AIRFLOW_HOME"] = HOME.name
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    sys.path.insert(0, str(CHECKOUT / "dags"))

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Ran:
    """What `airflow dags test` left: its whole output, and the tasks of its run."""

    output: str
    state: str
    tasks: Mapping[str, Row]

    def states(self) -> dict[str, str]:
        return {name: row["state"] for name, row in self.tasks.items()}


def called(command: Path, *arguments: str) -> str:
    """What a command of the other environment prints."""
    done = subprocess.run([command, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Airflow:
    """An Airflow of its own in a folder, and what stands in its database."""

    def __init__(self, folder: Path, **variables: str) -> None:
        from webtext_airflow.local import LocalAirflow, free_port

        self.variables = {
            "WEBTEXT_RELEASES": str(folder / "releases"),
            "WEBTEXT_MODELS": str(folder / "models"),
            "WEBTEXT_FIRST_MONTH": "2011-06",
            "WEBTEXT_CORPUS_CONFIG": "configs/corpus/sample.yaml",
            "WEBTEXT_RETRY_SECONDS": "1",
            **variables,
        }
        self.folder = folder
        self.local = LocalAirflow(folder / "airflow", free_port(), self.variables)
        self.local.prepare()

    def run(self, *arguments: str) -> str:
        done = self.local.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def test(self, dag: str, conf: Mapping[str, Any] | None = None, **variables: str) -> Ran:
        local = dataclasses.replace(self.local, variables={**self.variables, **variables})
        done = local.command("dags", "test", dag, "--conf", json.dumps(conf or {}))
        (run,) = self.rows("SELECT * FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1", dag)
        tasks = self.rows("SELECT * FROM task_instance WHERE dag_id = ? AND run_id = ?", dag, run["run_id"])
        return Ran(done.stdout + done.stderr, run["state"], {row["task_id"]: row for row in tasks})

    def rows(self, query: str, *values: object) -> list[Row]:
        with contextlib.closing(sqlite3.connect(self.local.home / "airflow.db", timeout=30)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, values)]


@pytest.fixture(scope="session")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months: the sample's June 2011, and a July in which all of June is posted again beside something new."""
    folder = tmp_path_factory.mktemp("dumps")
    program = f"""
import json, pathlib
from pipeline.harvest import dumps
def posts(name):
    for line in dumps.lines("samples/submissions/" + name):
        try:
            yield json.loads(line) | {{"created_utc": 1309600000}}
        except (ValueError, TypeError):
            pass
june = pathlib.Path("samples/submissions/RS_2011-06.xz").read_bytes()
pathlib.Path("{folder}/RS_2011-06.xz").write_bytes(june)
july = [*posts("RS_2011-06.xz"), *posts("RS_2015-10.gz")]
pathlib.Path("{folder}/RS_2011-07.ndjson").write_text("".join(json.dumps(post) + chr(10) for post in july))
"""
    called(WEBTEXT.with_name("python"), "-c", program)
    return folder


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, dumps: Path) -> Airflow:
    """For tests that call `airflow dags test`."""
    return Airflow(tmp_path_factory.mktemp("tested"), WEBTEXT_DUMPS=str(dumps))


def stumbling(folder: Path, words: str, what: str) -> dict[str, str]:
    """Settings with a `webtext` to which something happens, once, when its command line has some words.

    what: lines for a shell; `$REAL "$@"` is the command.
    """
    script = folder / "webtext"
    once = f'case "$*" in *"{words}"*) if mkdir {folder}/happened 2>/dev/null; then\n{what}\nfi;; esac'
    script.write_text(f'#!/bin/bash\nREAL={WEBTEXT}\n{once}\nexec $REAL "$@"\n')
    script.chmod(0o755)
    return {"WEBTEXT_COMMAND": str(script)}


KILLED = '$REAL "$@" & sleep 1.5; kill -9 $!; wait $!; exit 137'
DISK_FULL = "ulimit -f 4"


@pytest.fixture(scope="session")
def ids() -> Callable[[Path], set[str]]:
    """The ids of a release's documents, read where there is a reader of Parquet."""

    def read(release: Path) -> set[str]:
        program = "import sys, pyarrow.dataset as d; print(*d.dataset(sys.argv[1]).to_table(['id'])['id'].to_pylist())"
        return set(called(WEBTEXT.with_name("python"), "-c", program, str(release / "data")).split())

    return read


def finished(run: Path) -> dict[str, int]:
    """When each stage of a run was finished."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("*/_SUCCESS")}


@contextlib.contextmanager
def nothing_left_behind(words: str) -> Iterator[None]:
    """No process with these words in its command line outlives the block."""
    import psutil

    yield
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if words in command] == []

"""A real scheduler on loopback: a backfill of two months, the training that it begins, and a task that is stopped.

One long story, since an Airflow takes half a minute to begin and to end.
"""

import contextlib
import json
import re
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.airflow.conftest import CHECKOUT, WEBTEXT, Airflow, finished, nothing_left_behind

CORPUS, TRAIN = "webtext_corpus_monthly", "webtext_training"
MONTHS = ("2011-06", "2011-07")
STEPS = 400
TRAINING = f"""
output: unused
tokens: unused
model: {{layers: 1, heads: 2, width: 16, context: 32}}
steps: {STEPS}
batch_tokens: 64
checkpoint_every: 1000
validate_every: 200
validation_tokens: 256
"""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, dumps: Path) -> Airflow:
    folder = tmp_path_factory.mktemp("scheduled")
    (folder / "train.yaml").write_text(TRAINING)
    sample = (CHECKOUT / "configs" / "corpus" / "sample.yaml").read_text()
    (folder / "corpus.yaml").write_text(f"{sample}\npublish: {{validation_fraction: 0.3}}\n")
    shutil.copytree(dumps, folder / "dumps")
    june = folder / "dumps" / "RS_2011-06.xz"
    june.write_bytes(june.read_bytes()[:-200])
    return Airflow(
        folder,
        WEBTEXT_DUMPS=str(folder / "dumps"),
        WEBTEXT_CORPUS_CONFIG=str(folder / "corpus.yaml"),
        WEBTEXT_TRAIN_CONFIG=str(folder / "train.yaml"),
        AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="1",
        AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC="1",
        OMP_NUM_THREADS="1",
        WEBTEXT_LOOK_SECONDS="12",
        WEBTEXT_LAST_MONTH=MONTHS[-1],
    )


def wait_for(what: Callable[[], Any], seconds: float = 180, pause: float = 0.5) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(pause)
    return found


@contextlib.contextmanager
def held(command: str) -> Iterator[Callable[[], bool]]:
    """Let a command stand still in the middle of its work; gives what says whether SIGTERM waits for it."""
    commands = {each: " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])}
    (process,) = [each for each, line in commands.items() if command in line and "guard.py" not in line]
    process.suspend()
    status = Path(f"/proc/{process.pid}/status")
    try:
        yield lambda: bool(int(re.findall(r"ShdPnd:\s*(\w+)", status.read_text())[0], 16) >> (signal.SIGTERM - 1) & 1)
    finally:
        process.resume()


def runs(airflow: Airflow, dag: str) -> dict[str, str]:
    rows = airflow.rows("SELECT partition_key, state FROM dag_run WHERE dag_id = ?", dag)
    return {row["partition_key"]: row["state"] for row in rows}


def states(airflow: Airflow, dag: str, month: str) -> dict[str, str]:
    query = "SELECT t.* FROM task_instance t JOIN dag_run r USING (run_id) WHERE t.dag_id = ? AND partition_key = ?"
    return {row["task_id"]: row["state"] for row in airflow.rows(query, dag, month)}


def ended(airflow: Airflow, dag: str) -> bool:
    found = runs(airflow, dag)
    assert "failed" not in found.values(), log_of(airflow, dag)
    return found == dict.fromkeys(MONTHS, "success")


def clear(airflow: Airflow, dag: str, month: str, task: str, **how: bool) -> None:
    """As the button does. `airflow tasks clear` looks for logical dates, and runs of partitions have none."""
    (run,) = airflow.rows("SELECT run_id FROM dag_run WHERE dag_id = ? AND partition_key = ?", dag, month)
    token = ask(airflow, "/auth/token", {"username": "admin", "password": airflow.local.password})["access_token"]
    wish = {"dry_run": False, "task_ids": [task], "dag_run_id": run["run_id"], "only_failed": False, **how}
    cleared = ask(airflow, f"/api/v2/dags/{dag}/clearTaskInstances", wish, token)
    assert task in {each["task_id"] for each in cleared["task_instances"]}


def ask(airflow: Airflow, path: str, content: dict[str, Any], token: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(airflow.local.address + path, json.dumps(content).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def log_of(airflow: Airflow, *names: str) -> str:
    paths = sorted((airflow.local.home / "logs").rglob("*.log"))
    return "\n".join(path.read_text() for path in paths if all(name in str(path) for name in names))


def steps(model: Path) -> list[int]:
    metrics = model / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True) if metrics.exists() else []
    return [
        entry["step"] for entry in map(json.loads, (line for line in lines if line.endswith("\n"))) if "loss" in entry
    ]


def listening() -> set[str]:
    """Addresses at which Airflow's processes listen."""
    processes = psutil.Process().children(recursive=True)
    found = [each for process in processes if process.is_running() for each in process.net_connections("tcp")]
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


@pytest.mark.timeout(900)
def test_a_backfill_begins_training_which_may_be_stopped(
    airflow: Airflow, dumps: Path, ids: Callable[[Path], set[str]]
) -> None:
    releases, models = airflow.folder / "releases", airflow.folder / "models"
    with nothing_left_behind(str(airflow.folder)), airflow.local.running():
        assert listening() == {"127.0.0.1"}
        for dag in (CORPUS, TRAIN):
            airflow.run("dags", "unpause", dag, "--yes")
        first, last = (f"{month}-01" for month in MONTHS)
        airflow.run("backfill", "create", "--dag-id", CORPUS, "--from-date", first, "--to-date", last)

        # The dump of June is cut off; July does what it can, and waits.
        wait_for(lambda: states(airflow, CORPUS, MONTHS[0]).get("announce") == "upstream_failed")
        assert states(airflow, CORPUS, MONTHS[0])["check_dump"] == "failed"
        wait_for(lambda: states(airflow, CORPUS, MONTHS[1]).get("wait_for_earlier_months") == "up_for_reschedule")
        assert states(airflow, CORPUS, MONTHS[1])["extract"] == "success"
        assert states(airflow, CORPUS, MONTHS[1])["dedup"] is None
        assert not (releases / MONTHS[1] / "duplicates").exists()
        shutil.copy(dumps / "RS_2011-06.xz", airflow.folder / "dumps")
        clear(airflow, CORPUS, MONTHS[0], "check_dump", include_downstream=True, only_failed=True)

        # Somebody clears the training of June while it learns: it is told to end, saves, and is begun again.
        june = models / "2011-06"
        wait_for(lambda: len(steps(june)) >= 20, pause=0.01)
        with held(f"{WEBTEXT} train") as told_to_end:
            assert len(steps(june)) < STEPS
            clear(airflow, TRAIN, MONTHS[0], "train")
            wait_for(told_to_end)
        wait_for(lambda: ended(airflow, CORPUS))
        wait_for(lambda: ended(airflow, TRAIN))

    # July was compared with June, which it repeats.
    june_release, july_release = (releases / month / "corpus" for month in MONTHS)
    assert ids(june_release)
    assert ids(july_release)
    assert not ids(june_release) & ids(july_release)
    manifest = json.loads((july_release.parent / "duplicates" / "manifest.json").read_text())
    assert manifest["config"]["against"] == [str(june_release)]
    counters = json.loads((july_release / "manifest.json").read_text())["counters"]
    assert counters["ledger/duplicates/dropped/exact_duplicate"] >= len(ids(june_release))
    assert set(finished(july_release.parent)) >= {"links", "pages", "documents", "duplicates", "corpus", "tokens"}

    # Each release was announced under its month, and began one training.
    events = airflow.rows("SELECT partition_key, extra FROM asset_event ORDER BY id")
    assert [event["partition_key"] for event in events] == list(MONTHS), "June first"
    assert [json.loads(event["extra"])["release"] for event in events] == [str(june_release), str(july_release)]
    for month in MONTHS:
        assert steps(models / month) == list(range(1, STEPS + 1))
        assert (models / f"{month}-export" / "model.safetensors").exists()
    told = log_of(airflow, TRAIN, "task_id=train")
    assert "is saved" in told
    assert "was stopped" in told

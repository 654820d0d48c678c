"""The same shards on every runner, undisturbed and with processes killed."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.conftest import SAMPLE, Webtext, begun_with
from tests.integration.shards import shards
from tests.integration.test_interrupt import members_of
from tests.spark.cluster import Cluster
from tests.spark.conftest import Shards

SECONDS_TO_COME_SO_FAR = 240
SECONDS_TO_END = 400
SECONDS_TO_NOTICE = 30

pytestmark = pytest.mark.timeout(900)


def on(runner: str, run: Path, cluster: Cluster | None = None) -> tuple[str, ...]:
    """The options that put a command's run on a runner."""
    master = () if cluster is None else ("--set", f"runner.options.spark_master_url={cluster.master}")
    return ("--runner", runner, "--set", f"output={run}", *master)


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + SECONDS_TO_COME_SO_FAR
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def quiet(words: str) -> bool:
    """Whether a command's stderr has nothing that is only for developers."""
    return "Traceback" not in words and "Exception" not in words and "WARN" not in words


@pytest.mark.parametrize("runner", ["spark-local", "flink"])
def test_the_sample_on_one_machine(runner: str, tmp_path: Path, webtext: Webtext, sample_shards: Shards) -> None:
    run = tmp_path / "run"
    done = webtext(*SAMPLE, *on(runner, run))
    assert done.returncode == 0, done.stderr
    assert quiet(done.stderr), done.stderr
    assert shards(run) == sample_shards
    assert [path.name for path in (run / ".runner").iterdir()] == ["job-server.log"]


def test_the_sample_on_a_cluster(
    tmp_path: Path, webtext: Webtext, sample_shards: Shards, spark_cluster: Cluster
) -> None:
    run = tmp_path / "run"
    done = webtext(*SAMPLE, *on("spark", run, spark_cluster))
    assert done.returncode == 0, done.stderr
    assert quiet(done.stderr), done.stderr
    assert shards(run) == sample_shards
    assert spark_cluster.executors() == []


def test_the_sample_on_a_flink_cluster(
    tmp_path: Path, webtext: Webtext, sample_shards: Shards, flink_cluster: str
) -> None:
    run = tmp_path / "run"
    cluster = ("runner.options.environment_type=PROCESS", f"runner.options.flink_master={flink_cluster}")
    done = webtext(*SAMPLE, *on("flink", run), *(word for each in cluster for word in ("--set", each)))
    assert done.returncode == 0, done.stderr
    assert quiet(done.stderr), done.stderr
    assert shards(run) == sample_shards


@pytest.mark.parametrize("runner", ["spark-local", "flink"])
def test_the_real_web_on_one_machine(
    runner: str, tmp_path: Path, webtext: Webtext, world: tuple[str, ...], world_shards: Shards
) -> None:
    run = tmp_path / "run"
    done = webtext(*world, *on(runner, run))
    assert done.returncode == 0, done.stderr
    assert shards(run) == world_shards


def test_the_real_web_on_a_cluster_that_loses_an_executor(
    tmp_path: Path, world: tuple[str, ...], world_shards: Shards, spark_cluster: Cluster
) -> None:
    """Killed when it extracts pages: Spark starts another, which does its work again."""
    run = tmp_path / "run"
    with begun_with(*world, *on("spark", run, spark_cluster)) as process:
        wait_until(lambda: any((run / "documents").glob("part-*")) or _extracts(spark_cluster), process)
        victim = spark_cluster.executors()[0]
        victim.kill()
        _, said = process.communicate(timeout=SECONDS_TO_END)
        assert process.returncode == 0, said
    assert shards(run) == world_shards
    log = (run / ".runner" / "job-server.log").read_text()
    assert "Lost executor" in log, "nothing was lost"


def test_the_driver_killed_on_a_cluster(
    tmp_path: Path, webtext: Webtext, sample_shards: Shards, spark_cluster: Cluster
) -> None:
    """Nothing of it lives on, and the same command resumes."""
    run = tmp_path / "run"
    command = (*SAMPLE, *on("spark", run, spark_cluster))
    with begun_with(*command) as process:
        wait_until(lambda: (run / "documents").exists() and bool(spark_cluster.executors()), process)
        process.kill()
        process.wait()
        assert psutil.wait_procs(members_of(process.pid), timeout=SECONDS_TO_NOTICE)[1] == []
    assert psutil.wait_procs(spark_cluster.executors(), timeout=SECONDS_TO_NOTICE)[1] == []
    links = (run / "links" / "_SUCCESS").stat().st_mtime_ns
    assert not (run / "corpus" / "_SUCCESS").exists()
    done = webtext(*command)
    assert done.returncode == 0, done.stderr
    assert (run / "links" / "_SUCCESS").stat().st_mtime_ns == links
    assert shards(run) == sample_shards


def _extracts(cluster: Cluster) -> bool:
    """Whether an executor's Python worker has children."""
    return any("pipeline.sandbox" in " ".join(words) for words in map(_words, _below(cluster.executors())))


def _below(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found += process.children(recursive=True)
    return found


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_job_server_too(number: signal.Signals, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with begun_with(*SAMPLE, *on("spark-local", run)) as process:
        wait_until((run / "pages").exists, process)
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS_TO_NOTICE)
        assert process.returncode == 128 + number, said
    assert said.splitlines()[-1].endswith("; the same command goes on where this run ended.")
    assert quiet(said), said
    assert psutil.wait_procs(members_of(process.pid), timeout=1)[1] == []


def _job_server(session: int) -> psutil.Process | None:
    return next((each for each in members_of(session) if "JobServerDriver" in " ".join(_words(each))), None)


def _when(process_has: Callable[[], psutil.Process | None]) -> psutil.Process:
    found = process_has()
    assert found is not None
    return found


@pytest.mark.parametrize("runner", ["spark-local", "flink"])
def test_a_job_server_that_dies_is_a_sentence(runner: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with begun_with(*SAMPLE, *on(runner, run)) as process:
        wait_until((run / "pages").exists, process)
        _when(lambda: _job_server(process.pid)).kill()
        _, said = process.communicate(timeout=SECONDS_TO_NOTICE)
        assert process.returncode == 2, said
    assert "ended before its work was done (killed by signal 9" in said.splitlines()[-1]
    assert quiet(said), said


def test_a_job_server_without_memory_is_a_sentence(tmp_path: Path, webtext: Webtext) -> None:
    done = webtext(*SAMPLE, *on("spark-local", tmp_path / "run"), "--set", "runner.memory=20m")
    assert done.returncode == 2, done.stderr
    assert "ran out of memory: give it more with runner.memory" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("runner", ["spark-local", "flink"])
def test_a_users_mistake_that_a_worker_finds_is_the_sentence_alone(
    runner: str, tmp_path: Path, webtext: Webtext
) -> None:
    references = tmp_path / "references.parquet"
    pq.write_table(pa.table({"title": ["no text"]}), references)
    done = webtext(*SAMPLE, *on(runner, tmp_path / "run"), "--set", f"dedup.references=[{references}]")
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: dedup.references: "), done.stderr
    assert quiet(done.stderr), done.stderr


@pytest.mark.parametrize(
    ("runner", "command", "words"),
    [("spark-local", "/nowhere/worker", "No such file"), ("flink", "/bin/false", "Process died with exit code 1")],
)
def test_workers_that_do_not_start_are_a_sentence(
    runner: str, command: str, words: str, tmp_path: Path, webtext: Webtext
) -> None:
    started = ["--set", "runner.options.environment_type=PROCESS"]
    started += ["--set", f'runner.options.environment_config={{"command": "{command}"}}']
    done = webtext(*SAMPLE, *on(runner, tmp_path / "run"), *started)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: a Python worker did not start, or died ("), done.stderr
    assert words in done.stderr.splitlines()[-1]
    assert quiet(done.stderr), done.stderr

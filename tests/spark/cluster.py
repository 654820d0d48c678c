"""A real Spark cluster on this machine: a master and workers, each a process as on machines of their own."""

import contextlib
import dataclasses
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from pipeline.engines.spark import spark_home

SECONDS_TO_START = 60
EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A master's address, and the processes of its workers."""

    master: str
    workers: Sequence[psutil.Process]

    def executors(self) -> list[psutil.Process]:
        """The executors that the workers run now."""
        return [
            child for worker in self.workers for child in worker.children() if EXECUTOR in " ".join(_words_of(child))
        ]


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2, cores: int = 1, memory: str = "2g") -> Iterator[Cluster]:
    """Start a cluster and end it. folder: for the logs, and for what workers keep."""
    with contextlib.ExitStack() as running:
        address = ("--host", "localhost", "--port", "0", "--webui-port", "0")
        log = folder / "master.log"
        running.enter_context(_started("org.apache.spark.deploy.master.Master", address, log))
        master = _awaited(log, r"Starting Spark master at (spark://\S+)")
        processes = []
        for number in range(workers):
            log = folder / f"worker-{number}.log"
            keeps = ("--work-dir", str(folder / f"work-{number}"), "--webui-port", "0", "--host", "localhost")
            size = ("--cores", str(cores), "--memory", memory)
            worker = ("org.apache.spark.deploy.worker.Worker", (*keeps, *size, master), log)
            processes.append(running.enter_context(_started(*worker)))
            _awaited(log, r"(Successfully registered) with master")
        yield Cluster(master, processes)


@contextlib.contextmanager
def _started(kind: str, arguments: Sequence[str], log: Path) -> Iterator[psutil.Process]:
    home = spark_home()
    command = [str(home / "bin" / "spark-class"), kind, *arguments]
    small = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home)}
    environment = {**os.environ, **small}
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            process.kill()


def _awaited(log: Path, pattern: str) -> str:
    give_up = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < give_up:
        found = re.search(pattern, log.read_text(errors="replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise TimeoutError(f"{pattern!r} is not in {log} after {SECONDS_TO_START} s:\n{log.read_text(errors='replace')}")


def _words_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []

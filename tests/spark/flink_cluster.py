"""A real Flink session cluster on this machine: a job manager and a task manager, each a process."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from importlib import util
from pathlib import Path

from pipeline.engines.java import OPENED

SECONDS_TO_START = 90
SLOTS = 2

CONFIG = """\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
rest.address: localhost
rest.port: {rest}
blob.server.port: 0
taskmanager.host: localhost
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: {slots}
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 64m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
taskmanager.memory.task.heap.size: 768m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.network.min: 128m
taskmanager.memory.network.max: 128m
taskmanager.memory.managed.size: 256m
io.tmp.dirs: {folder}
"""


def flink_home() -> Path:
    """PyPI's apache-flink-libraries, of which nothing but the jars is used."""
    package = util.find_spec("pyflink")
    assert package is not None, "there is no Flink: pip install -r requirements/flink.txt"
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0])


@contextlib.contextmanager
def session_cluster(folder: Path) -> Iterator[str]:
    """Start a cluster and end it; yields its address. folder: for its configuration, logs and files."""
    rpc, rest = _free_ports(2)
    config = CONFIG.format(rpc=rpc, rest=rest, slots=SLOTS, folder=folder)
    (folder / "config.yaml").write_text(config)
    entry, runner = (
        "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
        "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
    )
    with _started(entry, folder, folder / "jobmanager.log"), _started(runner, folder, folder / "taskmanager.log"):
        _await_slots(f"http://localhost:{rest}/overview", folder)
        yield f"localhost:{rest}"


@contextlib.contextmanager
def _started(kind: str, folder: Path, log: Path) -> Iterator[None]:
    java = shutil.which("java")
    assert java is not None, "there is no java on the PATH"
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    jars = f"{flink_home()}/lib/*"
    command = [java, "-Xmx1g", "-XX:TieredStopAtLevel=1", *opened, "-cp", jars, kind, "--configDir", str(folder)]
    environment = {**os.environ, "FLINK_CONF_DIR": str(folder)}
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_slots(overview: str, folder: Path) -> None:
    give_up = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError):
            answer = urllib.request.urlopen(overview, timeout=5).read().decode()
            if f'"slots-available":{SLOTS}' in answer:
                return
        time.sleep(0.2)
    words = "\n".join(log.read_text(errors="replace") for log in folder.glob("*.log"))
    raise TimeoutError(f"no Flink after {SECONDS_TO_START} s:\n{words}")


def _free_ports(count: int) -> Sequence[int]:
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [int(each.getsockname()[1]) for each in sockets]

"""The runner: what it needs that webtext does not bring along."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline import engines
from pipeline.config import Runner
from pipeline.doctor.findings import Finding, ok, problem, warning
from pipeline.doctor.machine import GIB, Memory
from pipeline.engines import dataflow, environment, java
from webtext.errors import UserError

LEAST_JAVA = 11
"""Job servers are started with options that Java 8 does not know."""
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


class Software(NamedTuple):
    """What is on this machine. missing: sentences about Java and the job server, as a run would say them. java: the
    major version, 0 where it does not say. docker, worker, google, credentials: whether they are there: docker,
    `webtext-worker`, Beam's Google part, and Google's credentials."""

    missing: tuple[str, ...] = ()
    java: int = 0
    docker: bool = False
    worker: bool = False
    google: bool = False
    credentials: bool = False


def look(runner: Runner) -> Software:
    """This machine's."""
    missing = []
    if runner.name in engines.COMMANDS and "job_endpoint" not in runner.options:
        engine = runner.name.capitalize()
        missing = [*_complaints(lambda: java.java(engine)), *_complaints(lambda: java.job_server(runner, engine))]
    return Software(
        tuple(missing),
        java=java_version(shutil.which("java") or ""),
        docker=shutil.which("docker") is not None,
        worker=Path(sys.executable).with_name("webtext-worker").is_file(),
        google=dataflow.is_installed(),
        credentials=has_google_credentials(os.environ),
    )


def _complaints(find: Callable[[], object]) -> Iterator[str]:
    try:
        find()
    except UserError as error:
        yield str(error)


def has_google_credentials(variables: Mapping[str, str]) -> bool:
    """Whether Google's libraries find a file of credentials, by their variable or where gcloud leaves it."""
    named = variables.get("GOOGLE_APPLICATION_CREDENTIALS")
    home = variables.get("CLOUDSDK_CONFIG") or Path("~/.config/gcloud").expanduser()
    return Path(named or Path(home) / "application_default_credentials.json").is_file()


def java_version(path: str) -> int:
    """The major version of a Java, 0 where it does not say, or is not there."""
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = _VERSION.search(said.stderr + said.stdout)
    return int(found[1]) if found else 0


def check(runner: Runner, found: Software, memory: Memory, *, output_is_local: bool) -> Iterator[Finding]:
    """Whether a runner has what it needs. output_is_local: whether the output is a path of this machine."""
    if runner.name == "direct":
        yield ok("runner", "direct: this process, which needs nothing more.")
        return
    wrong = [*(_of_dataflow(runner, found) if runner.name == "dataflow" else _of_engine(runner, found, memory))]
    yield from wrong or [ok("runner", f"{runner.name}: what it needs on this machine is there.")]
    if output_is_local and not engines.in_this_process(runner):
        yield warning(
            "runner",
            "output is a local path, and workers on other machines cannot write there unless it is shared: give one "
            "that all of them reach (gs://, s3://, hdfs://).",
        )


def _of_engine(runner: Runner, found: Software, memory: Memory) -> Iterator[Finding]:
    for sentence in found.missing:
        yield problem("runner", sentence)
    if 0 < found.java < LEAST_JAVA:
        yield problem(
            "runner", f"{runner.name} needs Java {LEAST_JAVA} or newer, and this is {found.java}: install 17."
        )
    heap = heap_bytes(runner.memory)
    if heap > memory.free:
        yield problem(
            "runner",
            f"runner.memory={runner.memory} is more than the {memory.free / GIB:.1f} GiB that are free: give less.",
        )
    kind = environment.kind(runner.options, here=engines.in_this_process(runner))
    if kind == "DOCKER" and not found.docker:
        yield problem("runner", "workers run in containers, and docker is not on the path: install it.")
    if kind == "PROCESS" and "environment_config" not in runner.options and not found.worker:
        yield problem("runner", "there is no webtext-worker beside this Python: install webtext into it anew.")


def heap_bytes(text: str) -> int:
    """The size of Java's heap, as its option says it: 512m, 2g."""
    return int(text[:-1]) * _UNITS[text[-1].lower()]


def _of_dataflow(runner: Runner, found: Software) -> Iterator[Finding]:
    missing = [option for option in dataflow.REQUIRED if not runner.options.get(option)]
    if missing:
        yield problem("runner", f"dataflow needs runner.options.{' and runner.options.'.join(missing)}: set them.")
    if not found.google:
        yield problem("runner", "dataflow needs Beam's Google part: pip install 'webtext[corpus,gcp,remote]'.")
    if not found.credentials:
        yield problem("runner", "dataflow needs credentials of Google: gcloud auth application-default login.")

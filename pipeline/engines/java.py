"""Java, and the job servers that are built for this environment: where they are, and what to do where they are not."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Runner
from webtext.errors import UserError

OUT_OF_MEMORY_EXIT_CODE = 3
"""Of a Java virtual machine with -XX:+ExitOnOutOfMemoryError."""

OPENED = ("java.lang", "java.lang.invoke", "java.net", "java.nio", "java.util", "java.util.concurrent", "sun.nio.ch")
"""Packages that serializers of Spark, Flink and Beam reach into, which Java 17 forbids unless told otherwise."""


def java(engine: str) -> str:
    """The path of Java.

    Raises UserError where there is none.
    """
    found = shutil.which("java")
    if found is None:
        raise UserError(f"{engine} needs Java, and there is no java on the PATH: install a JDK, 17 for instance.")
    return found


def job_server(runner: Runner, engine: str) -> Path:
    """The jar that the config names, or the one that `make job-server` built into this environment.

    Raises UserError where it is not there.
    """
    if runner.job_server:
        jar = Path(runner.job_server)
        if not jar.is_file():
            raise UserError(f"runner.job_server: there is no file {jar}; name a jar, or nothing for the built-in one.")
        return jar
    jar = Path(sys.prefix, "job-server", f"job-server-{engine.lower()}.jar")
    if not jar.is_file():
        raise UserError(
            f"Beam's job server for {engine} is not built: run make job-server (it needs Maven), or name a jar with "
            "runner.job_server."
        )
    return jar


def flags(runner: Runner, scratch: Path) -> Iterator[str]:
    """Options of the virtual machine, the user's own last: of two that contradict each other Java takes the last."""
    for package in OPENED:
        yield f"--add-opens=java.base/{package}=ALL-UNNAMED"
    yield f"-Xmx{runner.memory}"
    yield "-XX:TieredStopAtLevel=1"  # the work is Python's: better compiled code costs more than it saves
    yield "-XX:+ExitOnOutOfMemoryError"  # whoever waits for one that goes on without memory waits for ever
    yield f"-Djava.io.tmpdir={scratch}"

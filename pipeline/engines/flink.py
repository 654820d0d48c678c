"""Beam's job server for Flink, with a Flink of its own where no cluster is named."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Runner
from pipeline.engines import environment, java, reaching
from pipeline.engines.engine import Options
from pipeline.sandbox import cores

DRIVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
THIS_MACHINE = "[local]"


class Command:
    """How the job server is started, and what Beam must be told of it.

    Raises UserError for what is not installed.
    """

    name = "Flink"

    def __init__(self, runner: Runner, parts: int) -> None:
        self._runner = runner
        self._here = is_here(runner)
        self._parallelism = runner.partitions or min(cores(), parts)
        self._java = java.java(self.name)
        self._jar = java.job_server(runner, self.name)

    def check(self) -> None:
        """Look for the cluster.

        Raises UserError where it is not.
        """
        reaching.require(self.name, _master(self._runner), "runner.options.flink_master")

    def line(self, port: int, scratch: Path) -> Iterator[str]:
        """The command line. port: where it is to listen; scratch: a folder for what does not fit into memory."""
        yield self._java
        yield from java.flags(self._runner, scratch)
        yield from self._runner.java_options
        yield from ("-cp", str(self._jar), DRIVER)
        yield from (f"--job-port={port}", "--artifact-port=0", "--expansion-port=0")
        yield from (f"--artifacts-dir={scratch}", f"--flink-master={_master(self._runner)}")

    def options(self, _scratch: Path) -> Options:
        """For Beam."""
        ours = {"parallelism": self._parallelism} if self._here or self._runner.partitions else {}
        return {**ours, **environment.worker_options(self._runner.options, here=self._here)}


def is_here(runner: Runner) -> bool:
    """Whether Flink is part of the job server."""
    return _master(runner) == THIS_MACHINE


def _master(runner: Runner) -> str:
    return str(runner.options.get("flink_master") or THIS_MACHINE)

"""Beam's job server for Spark, which is also Spark's driver and, without a cluster, all of Spark."""

import importlib.util
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Runner
from pipeline.engines import environment, java, reaching
from pipeline.engines.engine import Options
from pipeline.sandbox import cores
from webtext.errors import UserError

DRIVER = "org.apache.beam.runners.spark.SparkJobServerDriver"
THIS_MACHINE = "local[*]"
MOST_PIECES = 2000
FEW_PARTS = 4
"""Partitions of a run that a processor of this machine may have in one piece: each costs some 50 ms in every shuffle,
which is most of the time where there is little to do."""


class Command:
    """How the job server is started, and what Beam must be told of it.

    Raises UserError for what is not installed.
    """

    name = "Spark"

    def __init__(self, runner: Runner, parts: int) -> None:
        self._runner = runner
        self._here = is_here(runner)
        self._pieces = runner.partitions or pieces(parts, cores() if self._here else 0)
        self._java = java.java(self.name)
        self._jar = java.job_server(runner, self.name)
        self._jars = spark_home() / "jars"

    def check(self) -> None:
        """Look for the cluster.

        Raises UserError where it is not.
        """
        reaching.require(self.name, _master(self._runner), "runner.options.spark_master_url")

    def line(self, port: int, scratch: Path) -> Iterator[str]:
        """The command line. port: where it is to listen; scratch: a folder for what does not fit into memory."""
        yield self._java
        yield from java.flags(self._runner, scratch)
        yield "-Dspark.ui.enabled=false"
        yield f"-Dspark.local.dir={scratch}"
        yield f"-Dspark.default.parallelism={self._pieces}"
        yield from self._runner.java_options
        hadoop = os.environ.get("HADOOP_CONF_DIR")  # what tells of YARN, where that is the master
        yield from ("-cp", ":".join([str(self._jar), f"{self._jars}/*", *([hadoop] if hadoop else [])]), DRIVER)
        yield from (f"--job-port={port}", "--artifact-port=0", "--expansion-port=0")
        yield from (f"--artifacts-dir={scratch}", f"--spark-master-url={_master(self._runner)}")

    def options(self, scratch: Path) -> Options:
        """For Beam."""
        # What is staged, every worker copies: by default the 400 MB of the class path, for every pipeline. A cluster's
        # workers have all but the job server's own jar; on this machine there is nothing that they do not have.
        staged = _empty_jar(scratch) if self._here else self._jar
        # What is read twice and does not fit into memory would by default be made twice: dumps read, pages extracted.
        ours: Options = {"files_to_stage": [str(staged)], "storage_level": "MEMORY_AND_DISK"}
        return {**ours, **environment.worker_options(self._runner.options, here=self._here)}


def pieces(parts: int, processors: int) -> int:
    """In how many pieces a shuffle's output is cut.

    parts: of the run's data, as it is cut anyway. processors: of this machine, 0 where the work is not done here.
    """
    return max(1, processors if parts <= FEW_PARTS * processors else min(parts, MOST_PIECES))


def is_here(runner: Runner) -> bool:
    """Whether Spark is part of the job server."""
    return _master(runner).partition("[")[0] == "local"


def _master(runner: Runner) -> str:
    return str(runner.options.get("spark_master_url") or THIS_MACHINE)


def _empty_jar(folder: Path) -> Path:
    jar = folder / "nothing.jar"
    with zipfile.ZipFile(jar, "w"):
        return jar


def spark_home() -> Path:
    """Where Spark is: at $SPARK_HOME, or in PyPI's pyspark, of which nothing but the jars and scripts is used.

    Raises UserError where it is not.
    """
    named = os.environ.get("SPARK_HOME")
    if named:
        home = Path(named)
    else:
        package = importlib.util.find_spec("pyspark")
        if package is None or package.origin is None:
            raise UserError(
                "there is no Spark: install it with pip install -r requirements/spark.txt, as make corpus "
                "RUNNER=spark does, or set SPARK_HOME."
            )
        home = Path(package.origin).parent
    if not (home / "jars").is_dir():
        raise UserError(f"there is no Spark at {home}: it has no folder jars; set SPARK_HOME to one that has.")
    return home

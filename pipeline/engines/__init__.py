"""Spark and Flink from outside: the program that drives them, started for a run and ended with it. Knows no Beam.

with ready(config.runner, parts, logs) as engine:   # begins to start at once, in the background
    engine.options()                                # what Beam must be told; waits until all is there
    engine.obituary(interrupted=False)              # why it is not alive any more, or None
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipeline.config import Runner
from pipeline.engines import environment, flink, spark
from pipeline.engines.engine import Engine, NoEngine
from pipeline.engines.job_server import Command, JobServer
from pipeline.engines.quiet import broken_connections_unheard

__all__ = ["Engine", "NoEngine", "in_this_process", "ready"]

COMMANDS: Mapping[str, Callable[[Runner, int], Command]] = {"spark": spark.Command, "flink": flink.Command}


def in_this_process(runner: Runner) -> bool:
    """Whether the Python work of pipelines is done by threads of the process that starts them."""
    if runner.name == "direct":
        return True
    is_here = {"spark": spark.is_here, "flink": flink.is_here}.get(runner.name)
    return is_here is not None and environment.kind(runner.options, here=is_here(runner)) == "LOOPBACK"


@contextlib.contextmanager
def ready(runner: Runner, parts: int, folder: Path, *, at_once: bool = True) -> Iterator[Engine]:
    """What the configured runner needs beside this process; nothing for those that need nothing.

    parts: in how many pieces the run's data is cut, the most that can be worked on at a time.
    folder: where logs are kept and what does not fit into memory is laid. at_once: do not wait for the first use.
    Raises UserError for what is not installed.
    """
    make = COMMANDS.get(runner.name)
    if make is None or "job_endpoint" in runner.options:
        yield NoEngine(runner.options)
        return
    with broken_connections_unheard(), contextlib.closing(JobServer(make(runner, parts), folder)) as server:
        if at_once:
            server.start()
        yield server

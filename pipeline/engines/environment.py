"""In what Python the workers of a pipeline run: Beam's options for it, where the config has none of its own."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.engines.engine import Options

CACHE_MILLISECONDS = 3_600_000
"""How long a worker without work is kept. Beam's default is to start one for every task."""

WORKING_FOLDER = "WEBTEXT_WORKING_FOLDER"
"""Tells workers from where relative paths lead."""

_NO_WORKER = re.compile(
    r"java\.(?:lang\.IllegalStateException|io\.IOException): "
    r"(?P<what>Process died with exit code .*|Cannot run program .*|error=\d+, .*|Received exit code .*)"
)
"""What Beam's Java says where it starts Python workers, as processes or in containers."""


def kind(given: Options, *, here: bool) -> str:
    """Beam's `environment_type`.

    here: whether the engine is on this machine and part of this run. Then its workers are threads of this process;
        else processes, started from the same path as this one on every machine.
    """
    return str(given.get("environment_type") or ("LOOPBACK" if here else "PROCESS"))


def worker_options(given: Options, *, here: bool) -> Options:
    """The config's options, and those that a user need not write."""
    chosen = kind(given, here=here)
    defaults: dict[str, str | int] = {"environment_type": chosen, "environment_cache_millis": CACHE_MILLISECONDS}
    if chosen == "PROCESS":
        defaults["environment_config"] = json.dumps(_process())
    return {**defaults, **given}


def sentence(words: str) -> str | None:
    """What the failure of a pipeline means, for the user, if it is that Python workers did not start or did not last.

    words: of the error that Beam raises.
    """
    found = _NO_WORKER.search(words)
    if found is None:
        return None
    return (
        f"a Python worker did not start, or died ({found['what'].strip()[:200]}): webtext must be at the same path on "
        "every machine, or runner.options.environment_config name what starts there, with memory as docs/running.md "
        "tells; what workers said is in the logs of the job server and of the executors."
    )


def _process() -> Mapping[str, object]:
    return {"command": str(Path(sys.executable).with_name("webtext-worker")), "env": {WORKING_FOLDER: os.getcwd()}}  # noqa: PTH109

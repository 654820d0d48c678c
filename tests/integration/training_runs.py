"""`webtext train` as a user starts it, alone and under torchrun, on tokens made by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import CHECKOUT
from tests.integration.conftest import WEBTEXT, environment
from tests.model.training.runs import config_of

TORCHRUN = str(Path(sys.executable).with_name("torchrun"))
TIMES = ("seconds", "tokens_per_second", "mfu", "cost")


def write_config(folder: Path, output: Path, tokens: Path, **keys: Any) -> Path:
    """A YAML file of a tiny run."""
    config = config_of(output, tokens, **keys).model_dump(mode="json", exclude_unset=True)
    path = folder / f"{output.name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def started(config: Path, *arguments: str, ranks: int = 1, command: str = "train") -> "subprocess.Popen[str]":
    """The command, in a session of its own; one thread a rank, since tests run beside each other."""
    alone = [WEBTEXT, command, "--config", str(config), *arguments]
    return subprocess.Popen(
        alone if ranks == 1 else [TORCHRUN, "--standalone", f"--nproc-per-node={ranks}", *alone],
        cwd=CHECKOUT,
        env=environment({"OMP_NUM_THREADS": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def done(config: Path, *arguments: str, ranks: int = 1, command: str = "train") -> "subprocess.CompletedProcess[str]":
    """The command, awaited."""
    with started(config, *arguments, ranks=ranks, command=command) as process:
        printed, said = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, printed, said)


def rows(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl, without what a clock says."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in lines]


def manifest(run: Path) -> dict[str, Any]:
    """The newest checkpoint's: it has the sha256 of every file, so equal manifests are equal bits."""
    newest = max((run / "checkpoints").glob("step-????????"))
    content: dict[str, Any] = json.loads((newest / "manifest.json").read_text())
    return content

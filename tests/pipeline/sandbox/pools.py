"""Pools of children that do what tests ask of them, and parents of such pools that tests start and end."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from pipeline.sandbox import Limits, Sandbox

CHECKOUT = Path(__file__).parents[3]
sys.path.append(str(CHECKOUT))  # children look for the tests' tasks where their parent does

QUICK = Limits(workers=2, deadline_seconds=0.5, memory_bytes=1024**3)


def verdicts(sandbox: Sandbox[Any, Any], *orders: tuple[str, Any]) -> list[Any]:
    """The verdict of each order, in the order of the orders."""
    found = dict(sandbox.map(enumerate(orders)))
    assert sorted(found) == list(range(len(orders)))
    return [found[number] for number in range(len(orders))]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(CHECKOUT)} | more


def run(
    script: str, *, check: bool = True, script_name: str = "-c", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script_name, script],
        capture_output=True, text=True, env=environment(**variables), timeout=60, check=check,
    )  # fmt: skip


def start(script: str, process_group: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE, text=True, env=environment(), process_group=process_group,
    )  # fmt: skip


def next_line(parent: subprocess.Popen[str]) -> str:
    """What it prints next."""
    assert parent.stdout is not None
    return parent.stdout.readline()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)

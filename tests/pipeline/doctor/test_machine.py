from typing import Any

import pytest

from pipeline.doctor import machine
from pipeline.doctor.findings import Finding, State
from pipeline.doctor.machine import GIB, Extraction, Memory, OpenFiles, Processors


def memory(links: int = 0, workers: int = 4, total: int = 64, free: int = 64) -> Finding:
    (finding,) = machine.check_memory(Memory(total * GIB, free * GIB), Extraction(workers, 2 * GIB), links)
    return finding


def test_memory_that_will_do() -> None:
    assert memory().state is State.OK


@pytest.mark.parametrize("short", [{"links": 100_000_000}, {"free": 1}, {"workers": 400}])
def test_memory_that_does_not(short: dict[str, Any]) -> None:
    finding = memory(**short)
    assert finding.state is State.PROBLEM
    assert "are needed" in finding.sentence


def test_children_that_may_use_more_than_there_is() -> None:
    finding = memory(workers=16, total=16, free=15)
    assert finding.state is State.WARNING
    assert "extract.workers=7" in finding.sentence


@pytest.mark.parametrize(
    ("found", "children", "state"),
    [
        (Processors(4, 4.0), 4, State.OK),
        (Processors(64, 4.0), 64, State.WARNING),  # a container on a large machine
        (Processors(4, 0.5), 4, State.WARNING),
        (Processors(4, 4.0), 5, State.WARNING),
        (Processors(64, 4.0), 4, State.OK),
    ],
)
def test_processors(found: Processors, children: int, state: State) -> None:
    assert machine.check_processors(found, children).state is state


@pytest.mark.parametrize(
    ("found", "attainable", "concurrency", "state"),
    [
        (OpenFiles(1024, 4096), 4096, 128, State.OK),
        (OpenFiles(1024, -1), 16_384, 4096, State.OK),
        (OpenFiles(64, 64), 64, None, State.PROBLEM),
        (OpenFiles(1024, 1024), 1024, 4096, State.WARNING),
        (OpenFiles(1024, 1024), 1024, None, State.OK),
    ],
)
def test_open_files(found: OpenFiles, attainable: int, concurrency: int | None, state: State) -> None:
    assert machine.check_open_files(found, attainable, concurrency).state is state


@pytest.mark.parametrize(
    ("text", "processors"),
    [("max 100000\n", None), ("150000 100000\n", 1.5), ("", None), ("100000 0", None), ("a b c", None)],
)
def test_quota(text: str, processors: float | None) -> None:
    assert machine.cpu_quota(text) == processors


@pytest.mark.parametrize(
    ("text", "size"),
    [("MemTotal: 9 kB\nMemAvailable:   2048 kB\n", 2048 * 1024), ("", None), ("MemAvailable:", None), ("x", None)],
)
def test_what_the_system_says_of_memory(text: str, size: int | None) -> None:
    assert machine.available(text) == size


def test_this_machine_is_one() -> None:
    found = machine.look_at_memory()
    assert 0 < found.free <= found.total
    assert machine.look_at_processors().usable > 0

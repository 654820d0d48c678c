"""Tasks that return iterators: their values come as they are made, whatever becomes of the task."""

import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox import Crashed, Limits, Raised, Sandbox, SandboxError, Stream, StreamBrokenError
from tests.pipeline import sandbox_tasks as tasks
from tests.pipeline.sandbox.pools import QUICK, verdicts


def test_values_come_in_their_order(pool: Sandbox[Any, Any]) -> None:
    streams = [pool.stream(("count", most)) for most in (0, 1, 1000, 3)]
    assert [list(stream) for stream in streams] == [[], [0], list(range(1000)), [0, 1, 2]]


def test_a_value_comes_while_the_next_is_made(pool: Sandbox[Any, Any], tmp_path: Path) -> None:
    values = iter(pool.stream(("answer_then_wait_for", str(tmp_path / "go on"))))
    assert next(values) == "before"
    (tmp_path / "go on").touch()
    assert list(values) == ["after"]


def test_large_values_wait_for_their_reader(pool: Sandbox[Any, Any]) -> None:
    sizes = [5_000_000, 0, 1, 7_000_000]
    slow, other = pool.stream(("lengths", sizes)), pool.stream(("lengths", sizes))
    assert verdicts(pool, *[("nap", 0.01)] * 20)
    assert [len(value) for value in other] == sizes
    assert [len(value) for value in slow] == sizes


def test_what_a_task_raises_comes_behind_its_values(pool: Sandbox[Any, Any]) -> None:
    values = iter(pool.stream(("raise_after", 2)))
    assert [next(values), next(values)] == [0, 1]
    with pytest.raises(StreamBrokenError) as broken:
        next(values)
    assert broken.value.verdict == Raised("ValueError", "no more of them")
    assert list(pool.stream(("count", 2))) == [0, 1]


def test_a_child_that_dies_is_told_behind_the_values_and_none_comes_twice(pool: Sandbox[Any, Any]) -> None:
    values = iter(pool.stream(("fall_after", 3)))
    assert [next(values) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StreamBrokenError) as broken:
        next(values)
    assert isinstance(broken.value.verdict, Crashed)
    assert broken.value.verdict.detail == "exit status 9"


def test_one_that_dies_before_its_first_value_is_tried_once_more(pool: Sandbox[Any, Any], tmp_path: Path) -> None:
    stream: Stream[Any] = pool.stream(("exit_once", str(tmp_path / "tried")))
    assert list(stream) == []
    assert (tmp_path / "tried").exists()
    with pytest.raises(StreamBrokenError):
        list(pool.stream(("fall_after", 0)))


def test_what_no_child_has_begun_can_be_withdrawn(tmp_path: Path) -> None:
    with Sandbox(tasks.act, Limits(workers=1)) as sandbox:
        begun: Stream[Any] = sandbox.stream(("answer_then_wait_for", str(tmp_path / "go on")))
        assert next(iter(begun)) == "before"
        waiting: list[Stream[Any]] = [sandbox.stream(("touch", str(tmp_path / f"{number}"))) for number in range(3)]
        assert waiting[2].withdraw()
        assert not begun.withdraw()
        (tmp_path / "go on").touch()
        assert [list(stream) for stream in waiting[:2]] == [[], []]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "go on"]


def test_a_closed_pool_says_so_to_who_reads() -> None:
    sandbox = Sandbox(tasks.act, QUICK)
    stream: Stream[Any] = sandbox.stream(("nap", 0.4))
    threading.Timer(0.1, sandbox.close).start()
    with pytest.raises(SandboxError, match="closed"):
        list(stream)


def test_a_lane_takes_no_iterators_and_says_so() -> None:
    """Their values would be lost."""
    with Sandbox(tasks.act, QUICK) as sandbox, pytest.raises(SandboxError, match=r"Sandbox\.stream"):
        verdicts(sandbox, ("count", 3))

"""Whatever an item does to its child, it gets one verdict and nobody else is harmed."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox import Crashed, Done, Limits, Raised, Sandbox, TimedOut
from tests.pipeline import sandbox_tasks as tasks
from tests.pipeline.sandbox.pools import verdicts


def test_values_come_back_with_their_keys(pool: Sandbox[Any, Any]) -> None:
    values = [None, 1, "ü\ud800", b"\0" * 1000, {"a": [1.5]}]
    assert verdicts(pool, *[("echo", value) for value in values]) == [Done(value) for value in values]


def test_no_item_no_verdict(pool: Sandbox[Any, Any]) -> None:
    assert list(pool.map([])) == []


def test_a_hang_that_holds_the_interpreter_lock_is_killed_and_only_it_is_lost(
    pool: Sandbox[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    orders = [("hang_in_c", None), *[("echo", number) for number in range(50)], ("hang_in_c", None)]
    found = verdicts(pool, *orders)
    assert found == [TimedOut(0.5), *[Done(number) for number in range(50)], TimedOut(0.5)]
    assert caplog.text.count("in _hang_in_c") == 2, "the log does not say where it hung"


def test_a_child_that_waits_for_ever_is_killed_by_the_clock(pool: Sandbox[Any, Any]) -> None:
    started = time.monotonic()
    assert verdicts(pool, ("nap", 60)) == [TimedOut(0.5)]
    assert time.monotonic() - started < 10


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not tell who waits")
def test_a_busy_machine_does_not_make_items_late() -> None:
    """Four children a core: each gets its processor time, however long the clock says it took."""
    limits = Limits(workers=4 * (os.cpu_count() or 1), deadline_seconds=0.5)
    with Sandbox(tasks.act, limits) as sandbox:
        assert verdicts(sandbox, *[("spin", 0.3)] * limits.workers) == [Done("dizzy")] * limits.workers


def test_a_segmentation_fault_is_a_crash_with_its_stack(pool: Sandbox[Any, Any]) -> None:
    (crash, after) = verdicts(pool, ("segfault", None), ("echo", 1))
    assert isinstance(crash, Crashed)
    assert crash.detail == "SIGSEGV"
    assert "_segfault" in crash.last_words
    assert after == Done(1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_signal_is_a_crash_that_names_it(pool: Sandbox[Any, Any], number: signal.Signals) -> None:
    (crash,) = verdicts(pool, ("kill_self", number))
    assert isinstance(crash, Crashed)
    assert crash.detail == number.name


def test_an_exit_is_a_crash_with_its_status(pool: Sandbox[Any, Any]) -> None:
    assert verdicts(pool, ("exit", 3), ("exit", 0), ("echo", 1)) == [
        Crashed("exit status 3"),
        Crashed("exit status 0"),
        Done(1),
    ]


def test_sys_exit_is_an_exception_like_others(pool: Sandbox[Any, Any]) -> None:
    assert verdicts(pool, ("system_exit", 3)) == [Raised("SystemExit", "3")]


def test_an_item_that_suffered_from_another_is_tried_again_in_a_fresh_child(
    pool: Sandbox[Any, Any], tmp_path: Path
) -> None:
    assert verdicts(pool, ("exit_once", str(tmp_path / "died"))) == [Done("second try")]


def test_many_crashes_at_once_all_get_their_second_try(pool: Sandbox[Any, Any], tmp_path: Path) -> None:
    orders = [("exit_once", str(tmp_path / str(number))) for number in range(6)]
    assert verdicts(pool, *orders) == [Done("second try")] * 6


def test_too_much_memory_is_a_crash_that_tells_the_limit() -> None:
    """For the task and for its answer."""
    limit = Crashed("memory limit of 400000000 bytes")
    with Sandbox(tasks.act, Limits(workers=2, memory_bytes=400_000_000)) as sandbox:
        found = verdicts(sandbox, ("hog", 500_000_000), ("answer_bytes", 250_000_000), ("hog", 1024))
    assert found == [limit, limit, Done(1024)]


def test_an_exception_is_told_by_type_and_message(pool: Sandbox[Any, Any]) -> None:
    assert verdicts(pool, ("raise_value_error", "what \ud800")) == [Raised("ValueError", "what \\ud800")]


def test_a_long_message_is_cut(pool: Sandbox[Any, Any]) -> None:
    (raised,) = verdicts(pool, ("raise_value_error", "x" * 1_000_000))
    assert len(raised.message) == 2000


def test_an_exception_that_cannot_be_pickled_or_shown_is_told(pool: Sandbox[Any, Any]) -> None:
    assert verdicts(pool, ("raise_unpicklable", None)) == [Raised("UnpicklableError", "(its message cannot be shown)")]


def test_endless_recursion_is_an_exception(pool: Sandbox[Any, Any]) -> None:
    (raised,) = verdicts(pool, ("recurse", 0))
    assert raised.type == "RecursionError"


def test_a_value_that_cannot_be_pickled_is_told(pool: Sandbox[Any, Any]) -> None:
    (raised,) = verdicts(pool, ("unpicklable_value", None))
    assert isinstance(raised, Raised)
    assert "local object" in raised.message


def test_a_value_that_cannot_be_unpickled_is_told(pool: Sandbox[Any, Any]) -> None:
    (raised,) = verdicts(pool, ("breaks_on_arrival", None))
    assert raised.type == "ValueError"
    assert "cannot be unpickled" in raised.message


def test_an_item_that_cannot_be_pickled_is_the_callers_error(pool: Sandbox[Any, Any]) -> None:
    with pytest.raises((AttributeError, TypeError, Exception), match="pickle"):
        list(pool.map([(0, ("echo", lambda: None))]))
    assert verdicts(pool, ("echo", 1)) == [Done(1)]


def test_payloads_of_fifty_megabytes_pass_both_ways_at_once() -> None:
    size = 50_000_000
    with Sandbox(tasks.act, Limits(workers=2)) as sandbox:
        found = verdicts(sandbox, *[("echo", b"x" * size)] * 4, *[("answer_bytes", size)] * 2)
    assert [len(verdict.value) for verdict in found] == [size] * 6

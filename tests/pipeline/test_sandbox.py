"""The pool of child processes: whatever an item does to its child, it gets one verdict and nobody else is harmed."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.sandbox import Crashed, Done, Lane, Limits, Raised, Sandbox, SandboxError, TimedOut, lease

CHECKOUT = Path(__file__).parent.parent.parent
sys.path.append(str(CHECKOUT))  # children look for the tests' tasks where their parent does

from tests.pipeline import sandbox_tasks as tasks  # noqa: E402

QUICK = Limits(workers=2, deadline_seconds=0.5, memory_bytes=1024**3)


@pytest.fixture(scope="module")
def pool() -> Iterator[Sandbox[Any, Any]]:
    with Sandbox(tasks.act, QUICK) as sandbox:
        yield sandbox


def verdicts(sandbox: Sandbox[Any, Any], *orders: tuple[str, Any]) -> list[Any]:
    """The verdict of each order, in the order of the orders."""
    found = dict(sandbox.map(enumerate(orders)))
    assert sorted(found) == list(range(len(orders)))
    return [found[number] for number in range(len(orders))]


# One item, one verdict


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
    assert "pickle" in raised.message


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


# What children are


def test_children_are_lean_limited_and_alone() -> None:
    with Sandbox(tasks.act, QUICK) as sandbox:
        ((_, verdict),) = sandbox.map([(0, ("circumstances", None))])
    found = verdict.value  # type: ignore[union-attr]
    assert found["address space"] == 1024**3
    assert found["core"] == 0
    assert found["oom score"] == 1000
    assert found["threads"] == 1
    assert found["omp"] == "1"
    assert found["sigint"] == signal.SIG_IGN
    assert found["descriptors"] <= 6, "a child holds other children's channels open"
    assert not {"apache_beam", "pyarrow", "numpy", "pytest", "multiprocessing"} & set(found["modules"])


def test_children_agree_on_hashes_whatever_their_parent_has() -> None:
    script = (
        "from pipeline.sandbox import Sandbox, Limits; from tests.pipeline import sandbox_tasks; import sys;"
        "print(sorted(str(v) for _, v in"
        " Sandbox(sandbox_tasks.act, Limits(workers=2)).map(enumerate([('order', list('abcdefgh'))] * 9))))"
    )
    answers = {run(script, PYTHONHASHSEED=seed).stdout for seed in ("1", "2", "random")}
    assert len(answers) == 1
    assert len(set(eval(answers.pop()))) == 1


def test_every_child_is_warmed_up_before_its_first_item() -> None:
    with Sandbox(tasks.act, QUICK, warm_up=tasks.warm_up) as sandbox:
        assert verdicts(sandbox, *[("is_warm", None)] * 4, ("exit", 1), ("is_warm", None)) == [
            *[Done("yes")] * 4,
            Crashed("exit status 1"),
            Done("yes"),
        ]


def test_children_make_room_for_fresh_ones_without_a_pause() -> None:
    with Sandbox(tasks.act, Limits(workers=2, recycle_after=20)) as sandbox:
        found = verdicts(sandbox, *[("pid", None), ("nap", 0.01)] * 150)
    pids = [verdict.value for verdict in found[::2]]
    assert len(set(pids)) >= 4
    assert found[1::2] == [Done("awake")] * 150


def test_what_children_print_is_not_the_parents_output() -> None:
    done = run(
        "from pipeline.sandbox import Sandbox, Limits; from tests.pipeline import sandbox_tasks;"
        "s = Sandbox(sandbox_tasks.act); print([v.value for _, v in s.map(enumerate([('shout', 300)] * 4))])"
    )
    assert done.stdout == "['hoarse', 'hoarse', 'hoarse', 'hoarse']\n"
    assert done.stderr == ""


# When children do not start


def test_a_task_of_main_is_refused_at_once() -> None:
    done = run(
        "from pipeline.sandbox import Sandbox\ndef task(x): return x\nSandbox(task)", check=False, script_name="-c"
    )
    assert "ValueError" in done.stderr
    assert "put it into a module" in done.stderr


def test_a_local_function_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="cannot be handed"):
        Sandbox(lambda x: x)


def test_an_import_error_in_the_child_is_loud_and_ends_the_pool() -> None:
    with (
        Sandbox(tasks.act, QUICK, warm_up=tasks.warm_up_badly) as sandbox,
        pytest.raises(SandboxError, match="no such parser"),
    ):
        list(sandbox.map([(0, ("echo", 1))]))


def test_children_that_die_at_start_are_not_started_for_ever() -> None:
    with (
        Sandbox(tasks.act, QUICK, warm_up=tasks.warm_up_and_die) as sandbox,
        pytest.raises(SandboxError, match=r"exit status 7.*libparser is for another machine"),
    ):
        list(sandbox.map([(0, ("echo", 1))]))


def test_too_little_memory_to_start_is_loud() -> None:
    with Sandbox(tasks.act, Limits(workers=1, memory_bytes=10_000_000)) as sandbox, pytest.raises(SandboxError):
        list(sandbox.map([(0, ("echo", 1))]))


def test_limits_that_allow_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="workers must not be below 0"):
        Limits(workers=-1)
    with pytest.raises(ValueError, match="deadline_seconds must be above 0"):
        Limits(deadline_seconds=0)


# Lanes


@pytest.mark.parametrize(("count", "size", "most"), [(200, 10, 64), (12, 20_000_000, 4)])
def test_submit_waits_when_too_much_is_on_its_way(count: int, size: int, most: int) -> None:
    """Few large items, many small ones."""
    with Sandbox(tasks.act, Limits(workers=1)) as sandbox:
        lane: Lane[int, Any, Any] = sandbox.lane()
        waiting = []
        for key in range(count):
            lane.submit(key, ("length", b"x" * size))
            waiting.append(lane._unfinished)
        assert sorted(lane.drain()) == [(key, Done(size)) for key in range(count)]
        assert max(waiting) == most
        assert lane.outstanding == 0
        assert lane.wait() == []


def test_lanes_on_several_threads_get_their_own_verdicts(pool: Sandbox[Any, Any]) -> None:
    found: dict[int, set[Any]] = {}

    def use(number: int) -> None:
        found[number] = {verdict.value for _, verdict in pool.map((key, ("echo", (number, key))) for key in range(200))}  # type: ignore[union-attr]

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: {(number, key) for key in range(200)} for number in range(4)}


def test_a_lane_given_up_leaves_nothing_to_the_next(pool: Sandbox[Any, Any], tmp_path: Path) -> None:
    lane: Lane[int, Any, Any] = pool.lane()
    for key in range(50):
        lane.submit(key, ("touch", str(tmp_path / str(key))))
    lane.close()
    assert lane.ready() == []
    assert verdicts(pool, ("echo", "mine")) == [Done("mine")]
    assert len(list(tmp_path.iterdir())) < 10


def test_a_closed_pool_says_so_to_those_who_wait() -> None:
    sandbox = Sandbox(tasks.act, QUICK)
    lane: Lane[int, Any, Any] = sandbox.lane()
    lane.submit(0, ("nap", 0.4))
    threading.Timer(0.1, sandbox.close).start()
    with pytest.raises(SandboxError, match="closed"):
        list(lane.drain())


def test_a_closed_pool_leaves_no_process_no_thread_and_no_descriptor() -> None:
    def held() -> tuple[int, int]:
        keepers = [thread for thread in threading.enumerate() if thread.name == "sandbox keeper"]
        return psutil.Process().num_fds(), len(keepers)

    before = held()
    with Sandbox(tasks.act, QUICK) as sandbox:
        verdicts(sandbox, ("echo", 1), ("exit", 1), ("hang_in_c", None), ("echo", 2))
        pids = sandbox.pids()
        assert pids
    assert held() == before
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_equal_leases_share_one_pool_that_the_last_one_closes() -> None:
    task = functools.partial(tasks.act)
    with lease(task, QUICK) as first, lease(functools.partial(tasks.act), QUICK) as second:
        assert first is second
        with lease(task, Limits(workers=1)) as other:
            assert other is not first
    with pytest.raises(SandboxError), lease(task, QUICK) as third:
        assert third is not first
        list(first.map([(0, ("echo", 1))]))


# Signals and death


def test_an_idle_child_that_is_killed_is_replaced(pool: Sandbox[Any, Any]) -> None:
    assert verdicts(pool, ("echo", 1)) == [Done(1)]
    for pid in pool.pids():
        os.kill(pid, signal.SIGKILL)
    assert verdicts(pool, *[("echo", number) for number in range(9)]) == [Done(number) for number in range(9)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_children_die_with_a_parent_that_is_killed() -> None:
    """Even those that hang in C code and read nothing."""
    parent = start(
        "from pipeline.sandbox import Sandbox, Limits; from tests.pipeline import sandbox_tasks; import sys, time\n"
        "s = Sandbox(sandbox_tasks.act, Limits(workers=3, deadline_seconds=600)); lane = s.lane()\n"
        "lane.submit(0, ('hang_in_c', None)); lane.submit(1, ('nap', 600)); lane.submit(2, ('echo', 1)); lane.wait()\n"
        "print(*s.pids(), flush=True); time.sleep(600)"
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        parent.kill()
    until(lambda: not any(alive(pid) for pid in pids))


def test_ctrl_c_is_the_parents_to_answer() -> None:
    """The whole foreground group gets SIGINT; children go on until the parent ends them."""
    parent = start(
        "from pipeline.sandbox import Sandbox, Limits; from tests.pipeline import sandbox_tasks; import sys, time\n"
        "with Sandbox(sandbox_tasks.act, Limits(workers=2, deadline_seconds=600)) as s:\n"
        "    list(s.map([(0, ('echo', 1))])); print(*s.pids(), flush=True)\n"
        "    try: list(s.map([(0, ('nap', 600))]))\n"
        "    except KeyboardInterrupt: print([v.value for _, v in s.map([(0, ('echo', 'still here'))])], flush=True)\n",
        process_group=0,
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        time.sleep(0.3)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.readline() == "['still here']\n"
        assert parent.wait(20) == 0
    until(lambda: not any(alive(pid) for pid in pids))


def test_a_standstill_of_the_whole_group_makes_nothing_late() -> None:
    """Ctrl-Z for longer than the deadline allows, then fg."""
    parent = start(
        "from pipeline.sandbox import Sandbox, Limits; from tests.pipeline import sandbox_tasks; import sys, time\n"
        "with Sandbox(sandbox_tasks.act, Limits(workers=1, deadline_seconds=2)) as s:\n"
        "    list(s.map([(0, ('echo', 1))])); print('ready', flush=True)\n"
        "    print([v for _, v in s.map([(0, ('naps', 10))])], flush=True)",
        process_group=0,
    )
    with parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        time.sleep(0.3)
        os.killpg(parent.pid, signal.SIGSTOP)
        time.sleep(3)
        os.killpg(parent.pid, signal.SIGCONT)
        assert parent.stdout.readline() == "[Done(value='awake')]\n"


def test_time_in_which_the_keeper_was_blind_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(tasks.act, Limits(workers=1, deadline_seconds=1.6)) as sandbox:
        assert verdicts(sandbox, ("echo", 1)) == [Done(1)]
        lane: Lane[int, Any, Any] = sandbox.lane()
        lane.submit(0, ("nap", 4))
        time.sleep(0.2)
        selector = sandbox._keeper._selector
        select = selector.select

        def sleep_once(patience: float | None = None) -> Any:
            monkeypatch.undo()
            time.sleep(3)
            return select(0)

        monkeypatch.setattr(selector, "select", sleep_once)
        assert list(lane.drain()) == [(0, Done("awake"))]


# Where pools are made


def test_a_pool_works_from_a_one_liner_a_script_a_module_and_standard_input(tmp_path: Path) -> None:
    """No `if __name__ == "__main__"` anywhere: children do not run the caller's main module."""
    code = (
        "import operator, sys\nfrom pipeline.sandbox import Sandbox, Limits\n"
        "print([v.value for _, v in Sandbox(operator.neg, Limits(workers=1)).map([(0, 3)])])\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    for arguments, text in ((["-c", code], ""), ([str(script)], ""), (["-m", "script"], ""), (["-"], code)):
        done = subprocess.run(
            [sys.executable, *arguments],
            input=text, capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout == "[-3]\n", arguments


def test_a_pool_works_in_a_beam_worker(pool: Sandbox[Any, Any]) -> None:
    beam = pytest.importorskip("apache_beam")
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
    from apache_beam.testing import util

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = pipeline | beam.Create([1, 2, 3]) | beam.Map(negate_in_a_sandbox)
        util.assert_that(found, util.equal_to([-1, -2, -3]))


def negate_in_a_sandbox(number: int) -> Any:
    with Sandbox(tasks.negative, Limits(workers=1)) as sandbox:
        ((_, verdict),) = sandbox.map([(0, number)])
    assert isinstance(verdict, Done)
    return verdict.value


# Cost


def test_an_item_costs_far_less_than_a_page() -> None:
    with Sandbox(tasks.act, Limits(workers=2)) as sandbox:
        list(sandbox.map([(0, ("echo", 1))]))
        started = time.process_time()
        count = sum(1 for _ in sandbox.map((key, ("echo", key)) for key in range(5000)))
        seconds = time.process_time() - started
    assert count == 5000
    assert seconds / count < 200e-6, f"{seconds / count * 1e6:.0f} µs of the parent's processor time an item"


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

"""Lanes: those who share a pool get their own verdicts, and no more is on its way than may be."""

import functools
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.sandbox import Done, Lane, Limits, Sandbox, SandboxError, lease
from tests.pipeline import sandbox_tasks as tasks
from tests.pipeline.sandbox.pools import QUICK, verdicts


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

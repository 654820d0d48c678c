"""Signals and death: children that are killed are replaced, and none outlives its parent."""

import os
import signal
import sys
import time
from typing import Any

import pytest

from pipeline.sandbox import Done, Lane, Limits, Sandbox
from tests.pipeline import sandbox_tasks as tasks
from tests.pipeline.sandbox.pools import alive, next_line, start, until, verdicts


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
        pids = [int(word) for word in next_line(parent).split()]
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
        pids = [int(word) for word in next_line(parent).split()]
        time.sleep(0.3)
        os.killpg(parent.pid, signal.SIGINT)
        assert next_line(parent) == "['still here']\n"
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
        next_line(parent)
        time.sleep(0.3)
        os.killpg(parent.pid, signal.SIGSTOP)
        time.sleep(3)
        os.killpg(parent.pid, signal.SIGCONT)
        assert next_line(parent) == "[Done(value='awake')]\n"


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

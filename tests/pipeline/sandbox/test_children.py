"""What children are, and what is said when they do not start."""

import signal

import pytest

from pipeline.sandbox import Crashed, Done, Limits, Sandbox, SandboxError
from tests.pipeline import sandbox_tasks as tasks
from tests.pipeline.sandbox.pools import QUICK, run, verdicts


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
    with (
        Sandbox(tasks.act, QUICK, warm_up=tasks.warm_up_greedily) as sandbox,
        pytest.raises(SandboxError, match=r"cannot be set up in a child process(?s:.*)MemoryError"),
    ):
        list(sandbox.map([(0, ("echo", 1))]))


def test_limits_that_allow_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="workers must not be below 0"):
        Limits(workers=-1)
    with pytest.raises(ValueError, match="deadline_seconds must be above 0"):
        Limits(deadline_seconds=0)

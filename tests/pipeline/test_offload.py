"""Calls that children take over give what they would give here: values, errors and all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import offload
from tests.pipeline import offload_tasks as tasks
from tests.pipeline.sandbox import pools  # children find the tests' tasks where it says
from webtext.errors import UserError

assert pools.CHECKOUT


@pytest.fixture
def ready() -> Iterator[None]:
    with offload.ready(2):
        yield


def calls_made(folder: Path) -> int:
    return len(list(folder.iterdir()))


def test_without_children_a_call_is_made_here_when_it_is_read(tmp_path: Path) -> None:
    assert offload.workers() == 0
    call = offload.ask(tasks.Count(str(tmp_path)), 2)
    assert not calls_made(tmp_path)
    assert call.take_back()
    assert list(call.values()) == [-os.getpid(), 0, 1]


@pytest.mark.usefixtures("ready")
def test_children_make_calls_at_once_and_give_the_same_values(tmp_path: Path) -> None:
    assert offload.workers() == 2
    found = [list(offload.ask(tasks.Count(str(tmp_path), 5), most).values()) for most in range(10)]
    assert [values[1:] for values in found] == [list(range(5, 5 + most)) for most in range(10)]
    assert -os.getpid() not in {values[0] for values in found}


@pytest.mark.usefixtures("ready")
def test_what_was_begun_ahead_is_done_once(tmp_path: Path) -> None:
    for most in (3, 1, 2):
        offload.begin(tasks.Count(str(tmp_path)), most)
    equal = tasks.Count(str(tmp_path))
    assert [len(list(offload.ask(equal, most).values())) for most in (1, 2, 3)] == [2, 3, 4]
    assert calls_made(tmp_path) == 3
    assert list(offload.ask(equal, 1).values())[1:] == [0]
    assert calls_made(tmp_path) == 4
    assert list(offload.ask(tasks.Count(str(tmp_path), start=1), 1).values())[1:] == [1]


def test_what_no_child_has_begun_is_done_here(tmp_path: Path) -> None:
    folder, gate = tmp_path / "calls", tmp_path / "go on"
    folder.mkdir()
    with offload.ready(1):
        busy = offload.ask(tasks.wait_for, str(gate))
        calls = [offload.ask(tasks.Count(str(folder)), most) for most in range(4)]
        assert calls[3].take_back()
        assert next(calls[3].values()) == -os.getpid()
        gate.touch()
        assert list(busy.values()) == [str(gate)]
        assert not busy.take_back()
        assert all(next(call.values()) != -os.getpid() for call in calls[:3])
    assert calls_made(folder) == 4


@pytest.mark.usefixtures("ready")
def test_errors_come_as_they_are_behind_the_values() -> None:
    values = offload.ask(tasks.refuse, "a dump").values()
    assert next(values) == "a dump"
    with pytest.raises(UserError, match=r"^cannot read a dump; mend it\.$"):
        next(values)
    with pytest.raises(FileNotFoundError) as missing:
        list(offload.ask(tasks.read, "/not/there").values())
    assert missing.value.filename == "/not/there"


@pytest.mark.usefixtures("ready")
def test_a_fault_brings_its_traceback_along() -> None:
    with pytest.raises(KeyError) as fault:
        list(offload.ask(tasks.stumble, 0).values())
    assert 'yield numbers["not there"]' in "".join(fault.value.__notes__)


@pytest.mark.usefixtures("ready")
def test_a_child_that_dies_is_a_sentence_and_the_others_go_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"died at its work \(exit status 3\).*extract\.workers"):
        list(offload.ask(tasks.die, 3).values())
    assert len(list(offload.ask(tasks.Count(str(tmp_path)), 3).values())) == 4


@pytest.mark.usefixtures("ready")
def test_children_that_rest_are_gone_and_come_again(tmp_path: Path) -> None:
    (first, *_) = offload.ask(tasks.Count(str(tmp_path)), 0).values()
    offload.begin(tasks.Count(str(tmp_path)), 1)
    offload.rest()
    assert not pools.alive(-first)
    (second, *_) = offload.ask(tasks.Count(str(tmp_path)), 0).values()
    assert pools.alive(-second)
    offload.rest()
    offload.rest()


def test_children_are_warmed_up_and_gone_at_the_end() -> None:
    with offload.ready(1, "tests.pipeline.offload_tasks:warm_up", at_once=True):
        assert list(offload.ask(tasks.is_warm, 0).values()) == [True]
    assert offload.workers() == 0
    assert list(offload.ask(tasks.is_warm, 0).values()) == [False]

"""A step whose calls are spread: the same values with children and without, and never too many that wait."""

import contextlib
import os
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline import offload, spread
from pipeline.config import Runner
from pipeline.runners import new_pipeline
from pipeline.spread import Spread
from tests.pipeline import offload_tasks as tasks
from tests.pipeline.sandbox import pools  # children find the tests' tasks where it says
from webtext.errors import UserError

assert pools.CHECKOUT


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_same_values_with_any_number_of_children(workers: int, tmp_path: Path) -> None:
    children = offload.ready(workers) if workers else contextlib.nullcontext()
    with children, new_pipeline(Runner()) as pipeline:
        counted = pipeline | beam.Create(range(30)) | beam.ParDo(Spread(tasks.Count(str(tmp_path), 7)))
        numbers = counted | beam.Filter(lambda value: value >= 0)
        assert_that(numbers, equal_to([7 + value for most in range(30) for value in range(most)]))
    assert len(list(tmp_path.iterdir())) == 30


def test_few_elements_wait(tmp_path: Path) -> None:
    with offload.ready(2):
        step = Spread(tasks.Count(str(tmp_path)))
        step.start_bundle()
        waiting, values = [], []
        for element in range(50):
            values += list(step.process(element))
            waiting.append(len(step._waiting))
        assert max(waiting) == 2 * spread.WAITING_FOR_EACH
        values += [each.value for each in step.finish_bundle()]
    assert sum(value >= 0 for value in values) == sum(range(50))


def test_this_process_works_while_children_do(tmp_path: Path) -> None:
    """Though what waits longest has been begun ahead."""
    folder, gate = tmp_path / "calls", tmp_path / "go on"
    folder.mkdir()
    with offload.ready(1):
        task = tasks.Count(str(folder))
        busy = offload.ask(tasks.wait_for, str(gate))
        offload.begin(task, 2)
        offload.begin(task, 0)
        step = Spread(task)
        step.start_bundle()
        for element in range(4):
            assert not list(step.process(element))
        values = step.finish_bundle()
        assert [next(values).value for _ in range(4)] == [-os.getpid(), 0, 1, 2]
        gate.touch()
        rest = [each.value for each in values]
        assert list(busy.values()) == [str(gate)]
    assert sum(value >= 0 for value in rest) == 0 + 1 + 2
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {"0", "1", "2", "3"}


def test_an_error_is_raised_and_the_next_bundle_begins_anew(tmp_path: Path) -> None:
    with offload.ready(1):
        step = Spread(tasks.refuse)
        step.start_bundle()
        assert not list(step.process("a dump"))
        with pytest.raises(UserError, match="a dump"):
            list(step.finish_bundle())
        step.start_bundle()
        assert not list(step.finish_bundle())

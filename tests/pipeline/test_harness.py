"""What Beam's worker is made to do otherwise, and that it still does its work."""

import pickle
from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, StandardOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import userstate
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec

from pipeline import harness
from pipeline.config import Runner
from pipeline.runners import new_pipeline

LAST = ReadModifyWriteStateSpec("last", VarIntCoder())


class Steps(beam.DoFn):
    """The distance of each value of a key to the one before."""

    def __init__(self) -> None:
        self.looks = 0

    def __dir__(self) -> Iterable[str]:
        self.looks += 1
        names: Iterable[str] = super().__dir__()
        return names

    def process(self, element: tuple[str, int], last=beam.DoFn.StateParam(LAST)) -> Iterator[int]:  # type: ignore[no-untyped-def] # noqa: B008
        before = last.read() or 0
        last.write(element[1])
        yield element[1] - before


def test_state_is_looked_for_once_and_found() -> None:
    harness.prepare()
    harness.prepare()
    steps, others = Steps(), Steps()
    for _ in range(3):
        assert userstate.get_dofn_specs(steps) == ({LAST}, set())
        assert userstate.is_stateful_dofn(steps)
        assert not userstate.is_stateful_dofn(beam.DoFn())
    assert steps.looks == 1
    assert others.looks == 0
    assert userstate.is_stateful_dofn(others)


def test_a_step_with_state_works() -> None:
    with new_pipeline(Runner()) as pipeline:
        found = pipeline | beam.Create([("a", 1), ("a", 1), ("b", 7)]) | beam.ParDo(Steps())
        assert_that(found, equal_to([1, 0, 7]))


def test_a_view_of_options_is_made_once_and_shares_its_values() -> None:
    harness.prepare()
    harness.prepare()
    options, others = PipelineOptions(["--streaming"], job_name="one"), PipelineOptions([])
    view = options.view_as(GoogleCloudOptions)
    assert options.view_as(GoogleCloudOptions) is view
    assert others.view_as(GoogleCloudOptions) is not view
    assert options.view_as(StandardOptions).streaming
    assert not others.view_as(StandardOptions).streaming
    view.job_name = "two"
    assert view.view_as(GoogleCloudOptions).job_name == options.view_as(GoogleCloudOptions).job_name == "two"
    options.view_as(StandardOptions).streaming = False
    assert options.get_all_options()["streaming"] is False
    assert pickle.loads(pickle.dumps(options)).view_as(GoogleCloudOptions).job_name == "two"
    assert others.view_as(GoogleCloudOptions).job_name is None

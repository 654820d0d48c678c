"""What meets in a Flatten has one coder."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns

from pipeline.fetch.stage import FindPages, Places
from pipeline.flattening import give_one_coder

FLATTEN = common_urns.primitives.FLATTEN.urn
GROUP = common_urns.primitives.GROUP_BY_KEY.urn


def typed(_: Any) -> Iterator[tuple[int, str]]:
    yield 1, "a"


def untyped(_):  # type: ignore[no-untyped-def]
    yield 1, b"b"


def coders(pipeline: beam.Pipeline, urn: str) -> dict[str, tuple[set[str], set[str]]]:
    """By step, the coders of what goes in and of what comes out."""
    proto = pipeline.to_runner_api()

    def of(collections: Any) -> set[str]:
        return {proto.components.pcollections[each].coder_id for each in collections.values()}

    return {
        step.unique_name: (of(step.inputs), of(step.outputs))
        for step in proto.components.transforms.values()
        if step.spec.urn == urn
    }


def nested() -> beam.Pipeline:
    """A Flatten of Flattens of several types, before something that groups."""
    pipeline = beam.Pipeline(options=PipelineOptions([], pipeline_type_check=False))
    begin = pipeline | beam.Impulse()
    one, other, third = (
        begin | "Typed" >> beam.FlatMap(typed),
        begin | "Untyped" >> beam.FlatMap(untyped),
        begin | "Created" >> beam.Map(lambda _: (1, 2.0)).with_output_types(tuple[int, float]),
    )
    inner = (one, other) | "Inner" >> beam.Flatten()
    _ = (inner, third) | "Outer" >> beam.Flatten() | beam.GroupByKey() | beam.Map(lambda _: None)
    return pipeline


def test_the_coders_differ_by_themselves() -> None:
    """Else there is nothing to do any more."""
    assert any(ins != outs for ins, outs in coders(nested(), FLATTEN).values())


@pytest.mark.parametrize("build", [nested])
def test_all_that_meets_has_one_coder_a_keyed_one_before_a_grouping(build: Any) -> None:
    pipeline = build()
    give_one_coder(pipeline)
    found = coders(pipeline, FLATTEN)
    assert len(found) == 2
    assert len({coder for ins, outs in found.values() for coder in ins | outs}) == 1
    (grouped,) = [ins for ins, _ in coders(pipeline, GROUP).values()]
    assert grouped == next(iter(found.values()))[1]


def test_types_that_agree_are_left_alone() -> None:
    pipeline = beam.Pipeline(options=PipelineOptions([]))
    halves = [pipeline | name >> beam.Create([1]) for name in ("One", "Other")]
    both = halves | beam.Flatten()
    before = both.element_type
    give_one_coder(pipeline)
    assert both.element_type == before


def test_a_real_stage(tmp_path: Any) -> None:
    pipeline = beam.Pipeline(options=PipelineOptions([], pipeline_type_check=False))
    _ = pipeline | FindPages(Places(str(tmp_path), str(tmp_path), 4), ["a.warc"], 100)
    give_one_coder(pipeline)
    for name, (ins, outs) in coders(pipeline, FLATTEN).items():
        assert ins == outs, name

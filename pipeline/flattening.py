"""One coder for everything that is flattened into one collection, which Spark and Flink need and Beam does not see to.

Beam chooses a collection's coder by its type, and a Flatten may be given collections of several types. Python's own
runner encodes such a collection anew; Java's runners read all of its elements with one coder and fail with a
ClassCastException.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.typehints import typehints

Keyed = typehints.KV[typehints.Any, typehints.Any]


def give_one_coder(pipeline: beam.Pipeline) -> None:
    """Give the collections that meet in a Flatten, or in several that share one, the same type: the most general.

    Call it when the pipeline is built. Types are changed only where they differ.
    """
    steps = _Steps()
    pipeline.visit(steps)
    keyed = {id(step.inputs[0]): step for step in steps.groupings}
    for group in _groups((*step.inputs, *step.outputs.values()) for step in steps.flattenings):
        label = next((keyed[id(each)].full_label for each in group if id(each) in keyed), None)
        if label is None and len({str(each.element_type) for each in group}) == 1:
            continue
        for each in group:
            each.element_type = typehints.Any if label is None else Keyed
            each.requires_deterministic_key_coder = label
    for step in steps.groupings:
        for output in step.outputs.values():
            output.element_type = step.transform.infer_output_type(
                typehints.coerce_to_kv_type(step.inputs[0].element_type, step.full_label)
            )


class _Steps(PipelineVisitor):
    """Collects what flattens and what groups by key."""

    def __init__(self) -> None:
        self.flattenings: list[AppliedPTransform] = []
        self.groupings: list[AppliedPTransform] = []

    def visit_transform(self, step: AppliedPTransform) -> None:
        if isinstance(step.transform, beam.Flatten):
            self.flattenings.append(step)
        elif isinstance(step.transform, beam.GroupByKey):
            self.groupings.append(step)

    def enter_composite_transform(self, step: AppliedPTransform) -> None:
        self.visit_transform(step)


def _groups(connected: Iterable[Iterable[Any]]) -> Iterator[list[Any]]:
    """The components of a graph of objects, told apart by identity."""
    members: dict[int, list[Any]] = {}
    for objects in connected:
        joined = {id(each): each for one in objects for each in members.get(id(one), [one])}
        merged = list(joined.values())
        for each in merged:
            members[id(each)] = merged
    yield from {id(group): group for group in members.values()}.values()

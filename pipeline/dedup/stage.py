"""The search for duplicates as one Beam pipeline.

Numbers cross the shuffles, and the texts of candidates, once for each part that needs them. No worker sees more than
one part or one range of hashes, except the one that joins the graph's components: two numbers a document with an edge.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsIter, AsSingleton, TaggedOutput

from pipeline import schemas, tables
from pipeline.dedup import banding, clusters, sources
from pipeline.dedup.components import Components
from pipeline.dedup.keepers import Cause
from pipeline.dedup.messages import EDGES, NAMED, PAIRS, TWINS, by_part, opened, table
from pipeline.dedup.sources import Keep, Ordinals, Part
from pipeline.dedup.steps import Count, Message, Steps
from pipeline.ledger import Reason, Stage
from webtext import parquet, storage
from webtext.stages import Results

PARTS_PER_RANGE = 16
FORESTS = 16
"""Workers that each find the components of some of the edges before one puts them together."""

REASONS = {
    Cause.NEAR: Reason.NEAR_DUPLICATE,
    Cause.EXACT: Reason.EXACT_DUPLICATE,
    Cause.REFERENCE: Reason.WIKIPEDIA_MIRROR,
}


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class FindDuplicates(beam.PTransform):
    """A run's documents -> its duplicates/part-*.parquet, and `Results` whose counters are to be summed.

    run: the run directory. partitions: in how many its stages are cut. against: folders of earlier releases.
    keep: which of near-duplicates stays; `highest_score` is the default because karma is the one judgement of quality
    that WebText rests on. max_cluster_share: a larger cluster, once it has `min_giant` documents, is a fault.
    Reference texts that `PrepareReferences` has laid ready in the run are compared too.

    What is written depends on the documents alone, not on the number of partitions or the order of work. Raises
    UserError, when the pipeline is built, for a folder in `against` that is no release with such signatures.
    """

    run: str
    partitions: int
    threshold: float = 0.5
    permutations: int = 128
    keep: Keep = "highest_score"
    against: Sequence[str] = ()
    max_cluster_share: float = 0.1
    min_giant: int = 1000

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Results]:
        """Equal documents first, then those that met in a band and are alike, then who of these stays."""
        parts = self._parts()
        steps = Steps(parts, self.threshold, self.permutations, self.keep, 1 + len(parts) // PARTS_PER_RANGE)
        every_part = begin | "Parts" >> beam.Create([(number, b"") for number in range(len(parts))], reshuffle=False)

        gone = [_twins("links", steps, steps.send_links, (every_part,))] if self.against else []
        twins = _twins("contents", steps, steps.send_contents, (every_part, *gone))
        buckets = (
            (every_part, twins, *gone)
            | "Survivors" >> beam.Flatten()
            | "Gather survivors" >> beam.GroupByKey()
            | "Send bands" >> beam.FlatMapTuple(steps.send_bands)
            | "Gather buckets" >> beam.GroupByKey()
        )
        digests = (
            buckets
            | "Find pairs" >> beam.FlatMapTuple(lambda _, messages: steps.find_pairs(messages))
            | "Gather pairs" >> beam.GroupByKey()
            | "Send digests" >> _counting(steps.send_digests)
        )
        near = (
            digests.messages
            | "Gather digests" >> beam.GroupByKey()
            | "Compare digests" >> _counting(steps.compare_digests)
        )
        measured = (
            (near.messages, *(each | "Same links" >> beam.FlatMapTuple(_as_pairs) for each in gone))
            | "Candidates" >> beam.Flatten()
            | "Gather candidates" >> beam.GroupByKey()
            | "Send texts" >> beam.FlatMapTuple(steps.send_texts)
            | "Gather texts" >> beam.GroupByKey()
            | "Measure" >> _counting(steps.measure)
        )
        edges = measured.messages | "Edges" >> beam.Values()
        components = (
            (
                edges | "Alike" >> beam.Map(_graph, EDGES, "leader", "follower", steps),
                twins | "Equal" >> beam.Map(lambda sent: _graph(sent[1], TWINS, "keeper", "fallen", steps)),
            )
            | "Graph" >> beam.Flatten()
            | "Connect" >> beam.CombineGlobally(JoinComponents()).with_fanout(FORESTS)
        )
        falls = (
            edges
            | "Send edges" >> beam.FlatMap(steps.send_edges, AsSingleton(components))
            | "Gather components" >> beam.GroupByKey()
            | "Choose keepers" >> beam.FlatMapTuple(lambda _, messages: steps.choose_keepers(messages))
        )
        named = (
            {"twins": twins | "To twins" >> beam.FlatMapTuple(_to_twins), "falls": falls}
            | "Gather falls" >> beam.CoGroupByKey()
            | "Follow" >> beam.FlatMapTuple(lambda _, sent: steps.follow_twins(sent["twins"], sent["falls"]))
            | "Gather keepers" >> beam.GroupByKey()
            | "Name keepers" >> beam.FlatMapTuple(steps.name_keepers)
        )
        written = (
            (every_part | "Own parts" >> beam.Filter(lambda each: each[0] < self.partitions), named)
            | "Everything named" >> beam.Flatten()
            | "Gather falls by part" >> beam.GroupByKey()
            | "Write" >> beam.MapTuple(self._write)
        )
        counts = (digests.counts, near.counts, measured.counts) | "Counts" >> beam.Flatten()
        summary = (
            begin
            | "Once" >> beam.Create([parts])
            | "Summarise" >> beam.Map(self._summary, AsSingleton(components), AsIter(counts), AsIter(written))
        )
        return (written, summary) | "Results" >> beam.Flatten()

    def _parts(self) -> tuple[Part, ...]:
        releases = [part for folder in self.against for part in sources.release_parts(folder, self.permutations)]
        return (*sources.run_parts(self.run, self.partitions), *releases, *sources.reference_parts(self.run))

    def _write(self, part: int, messages: Iterable[bytes]) -> Results:
        own = sources.run_parts(self.run, self.partitions)[part]
        ids = parquet.read(own.signatures, ["id"])["id"].combine_chunks()
        named = tables.sorted_by(opened(messages, NAMED), "fallen")
        reasons = [REASONS[Cause(cause)].value for cause in named["cause"].to_pylist()]
        duplicates = pa.table(
            {
                "id": ids.take(pa.array(sources.rows_of(named["fallen"].to_numpy()))),
                "keeper": named["keeper"],
                "similarity": named["similarity"],
                "reason": pa.array(reasons, pa.string()),
                "keeper_release": named["keeper_release"],
                "keeper_url": named["keeper_url"],
            }
        )
        folder = storage.join(self.run, Stage.DUPLICATES)
        written = parquet.write(folder, parquet.part_name(part), tables.require_schema(duplicates, schemas.DUPLICATES))
        counts = {reason.value: reasons.count(reason.value) for reason in REASONS.values()}
        return Results([written], {"documents": len(ids), **counts})

    def _summary(
        self,
        parts: tuple[Part, ...],
        components: Components,
        counts: Iterable[tuple[str, int]],
        written: Iterable[Results],
    ) -> Results:
        documents = sum(each.counters["documents"] for each in written)
        counted: Counter[str] = Counter()
        for what, count in counts:
            counted[what] += count
        bands, rows = banding.choose(self.threshold, self.permutations)
        size, sample = clusters.largest(components)
        fault = clusters.fault(size, documents, self.max_cluster_share, self.min_giant, sources.ids_of(parts, sample))
        counters = {
            "bands": bands,
            "rows_in_a_band": rows,
            "candidate_pairs": 0,
            "measured_pairs": 0,
            "similar_pairs": 0,
            **counted,
            **clusters.histogram(components),
            "largest_cluster": size,
        }
        return Results([], counters, [fault] if fault else [])


class JoinComponents(beam.CombineFn):
    """Edges of a graph, in pieces -> its `Components`; the same for any order and any tree of merges."""

    def create_accumulator(self) -> Components:
        """No edges."""
        return Components.none()

    def add_input(self, accumulator: Components, edges: tuple[Ordinals, Ordinals]) -> Components:
        """More edges."""
        return accumulator.joined(*edges)

    def merge_accumulators(self, accumulators: Iterable[Components]) -> Components:
        """Components of several pieces, at once."""
        pieces = list(accumulators)
        return Components.none().joined(
            np.concatenate([piece.nodes for piece in pieces]), np.concatenate([piece.labels for piece in pieces])
        )

    def extract_output(self, accumulator: Components) -> Components:
        """As they are."""
        return accumulator


def _counting(step: Callable[[int, Iterable[bytes]], Iterator[Message | Count]]) -> beam.PTransform:
    """A step as a transform with two outputs: `messages`, and what it counted as `counts`."""

    def apart(part: int, messages: Iterable[bytes]) -> Iterator[Any]:
        for produced in step(part, messages):
            yield TaggedOutput("counts", tuple(produced)) if isinstance(produced, Count) else produced

    return beam.FlatMapTuple(apart).with_outputs("counts", main="messages")


def _twins(
    what: str,
    steps: Steps,
    send: Callable[[int, Iterable[bytes]], Iterator[Message]],
    parts: Sequence[beam.PCollection],
) -> beam.PCollection[Message]:
    """The documents that fall to an equal one, as TWINS to their own parts."""
    return (
        parts
        | f"Parts for {what}" >> beam.Flatten()
        | f"Gather parts for {what}" >> beam.GroupByKey()
        | f"Send {what}" >> beam.FlatMapTuple(send)
        | f"Gather {what}" >> beam.GroupByKey()
        | f"Find equal {what}" >> beam.FlatMapTuple(lambda _, messages: steps.find_twins(messages))
    )


def _as_pairs(_: int, message: bytes) -> Iterator[Message]:
    same = opened([message], TWINS)
    return by_part(table(PAIRS, same["keeper"], same["fallen"], np.ones(same.num_rows, dtype=bool)), "leader")


def _to_twins(_: int, message: bytes) -> Iterator[Message]:
    return by_part(opened([message], TWINS), "keeper")


def _graph(message: bytes, schema: pa.Schema, better: str, worse: str, steps: Steps) -> tuple[Ordinals, Ordinals]:
    edges = opened([message], schema)
    return steps.own_edges(edges[better].to_numpy(), edges[worse].to_numpy())

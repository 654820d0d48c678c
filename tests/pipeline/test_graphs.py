"""What a runner on many machines is given: what is shuffled, what every worker reads whole, where work spreads."""

import re
from collections.abc import Mapping

import apache_beam as beam
import pytest
from apache_beam.coders import coders

from pipeline.config import Runner
from pipeline.runners import new_pipeline
from tests.pipeline.dedup.conftest import write_release
from tests.pipeline.graphs import GROUP_BY_KEY, Graph, fill, transforms

HINTS = {"min_ram": "12GiB"}
OF_CODE = r"<lambda at (?!core\.py)|0x|_\d+$"
"""A name with a line of our code in it changes with the code; Beam's own has one of its core.py."""
JOBS = ("links", "pages", "documents", "references", "duplicates", "corpus")

SIDE_INPUTS = {
    "links": [],
    "pages": [f"Look up {hop}" for hop in range(1, 6)],  # ids of what redirects and revisits lead to
    "documents": [],
    "references": [],
    "duplicates": [
        "Connect/InjectDefault",  # nothing, for a graph without edges
        "Send edges",  # two numbers for a document with an edge
        *["Summarise"] * 3,  # the same, counts, and a record for each part
    ],
    "corpus": ["Plan"],  # four bytes for a document
}
"""Beside `Write results`, a few records for each partition, which every job has."""

SPREAD = {
    "links": ["Read posts"],
    "pages": ["Scan/ParDo(_Scan)"],
    "documents": ["Extract"],
    "references": ["Sketch"],
    "duplicates": ["Send bands", "Send digests/FlatMapTuple(apart)", "Send texts", "Measure/FlatMapTuple(apart)"],
    "corpus": ["Settle/FlatMap(_settle)", "Cut"],
}
"""The work itself, which no runner may fuse with what hands it out."""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("release")
    write_release(folder, {"old": "a text that was published", "older": "another text that was published"})
    return str(folder)


def graphs_of(release: str) -> dict[str, Graph]:
    jobs = transforms("memory://run", (release,), HINTS)
    return {name: Graph(fill(new_pipeline(Runner()), job).to_runner_api()) for name, job in jobs.items()}


@pytest.fixture(scope="module")
def graphs(release: str) -> Mapping[str, Graph]:
    return graphs_of(release)


@pytest.mark.parametrize("job", JOBS)
def test_every_worker_reads_whole_only_what_is_small(graphs: Mapping[str, Graph], job: str) -> None:
    assert graphs[job].side_inputs() == sorted([*SIDE_INPUTS[job], "Write results"])


@pytest.mark.parametrize("job", JOBS)
def test_work_is_spread_before_it_is_done(graphs: Mapping[str, Graph], job: str) -> None:
    shuffles = {step.name for step in graphs[job].steps() if step.urn == GROUP_BY_KEY}
    for step in SPREAD[job]:
        before = set(graphs[job].upstream(step))
        assert before & shuffles, step
        assert not [name for name in before if "Impulse" in name], step


@pytest.mark.parametrize("job", JOBS)
def test_keys_have_one_encoding_and_packed_rows_travel_as_they_are(graphs: Mapping[str, Graph], job: str) -> None:
    grouped = graphs[job].grouped()
    assert grouped
    for name, (key, value) in grouped.items():
        assert key.is_deterministic(), name
        assert not isinstance(key, coders.PickleCoder | coders.DillCoder | coders.CloudpickleCoder), name
        assert len(key.encode(7)) <= 2, name
        if "Reshuffle" not in name and "Spread" not in name:
            assert len(value.encode(b"packed" * 1000)) <= 6010, name


def test_steps_are_told_apart_by_names_that_stay(graphs: Mapping[str, Graph], release: str) -> None:
    again = graphs_of(release)
    for job, graph in graphs.items():
        names = graph.names()
        assert len(set(names)) == len(names)
        assert names == again[job].names()
        assert not [name for name in names if re.search(OF_CODE, name)]


def test_extraction_alone_says_what_machine_it_wants(graphs: Mapping[str, Graph]) -> None:
    for job, graph in graphs.items():
        wanting = {step.name: dict(step.hints) for step in graph.steps() if step.hints}
        ram = {"beam:resources:min_ram_bytes:v1": str(12 * 1024**3).encode()}
        assert wanting == ({"Extract": ram} if job == "documents" else {})


def test_a_fat_side_input_would_be_seen() -> None:
    pipeline = new_pipeline(Runner())
    texts = pipeline | "Texts" >> beam.Create(["a", "b"])
    _ = pipeline | "One" >> beam.Create([1]) | "All texts" >> beam.Map(lambda _, all_: all_, beam.pvalue.AsList(texts))
    assert Graph(pipeline.to_runner_api()).side_inputs() == ["All texts"]

"""Split and shard follow from the id alone."""

import hashlib
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tables
from pipeline.publish import placement

IDS = st.text(alphabet="0123456789abcdef", min_size=32, max_size=32)
FRACTIONS = st.floats(0, 1)


@given(st.lists(IDS), FRACTIONS)
def test_a_column_is_split_as_its_ids_are(ids: list[str], fraction: float) -> None:
    column = placement.in_validation(pa.array(ids, pa.string()), fraction)
    assert column.tolist() == [placement.split_of(each, fraction) == placement.VALIDATION for each in ids]


@given(IDS)
def test_nothing_and_everything_can_be_held_out(document: str) -> None:
    assert placement.split_of(document, 0) == placement.TRAIN
    assert placement.split_of(document, 1) == placement.VALIDATION


@given(IDS, FRACTIONS, FRACTIONS)
def test_a_larger_fraction_only_adds_to_validation(document: str, one: float, other: float) -> None:
    if placement.split_of(document, min(one, other)) == placement.VALIDATION:
        assert placement.split_of(document, max(one, other)) == placement.VALIDATION


def test_the_fraction_is_met_and_even_over_the_shards() -> None:
    ids = pa.array([hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(20_000)])
    held_out = placement.in_validation(ids, 0.05)
    assert 0.045 < held_out.mean() < 0.055
    first_half = tables.id_bits(ids) < 2**31
    assert 0.4 < first_half[held_out].mean() < 0.6


@given(st.lists(IDS, min_size=1), st.integers(1, 5000))
def test_shards_are_the_partitions_of_the_ids(ids: list[str], count: int) -> None:
    shards = tables.ranges_of(tables.id_bits(pa.array(ids)), count)
    assert shards.tolist() == [tables.partition_of(each, count) for each in ids]


@given(IDS, st.integers(1, 500), st.integers(1, 500))
def test_a_document_lies_in_a_partition_that_its_shard_overlaps(document: str, count: int, partitions: int) -> None:
    shard = tables.partition_of(document, count)
    low, high = placement.prefix_range(shard, count)
    assert low <= int(document[:8], 16) <= high
    assert tables.partition_of(document, partitions) in placement.overlapping(shard, count, partitions)


@given(st.integers(1, 300))
def test_the_ranges_of_all_shards_cover_all_ids_once(count: int) -> None:
    ranges = [placement.prefix_range(index, count) for index in range(count)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 2**32 - 1
    assert all(high + 1 == low for (_, high), (low, _) in itertools.pairwise(ranges))


@given(st.lists(st.integers(0, 2**32 - 1)), st.integers(0, 10**7), st.integers(1, 10**6))
def test_no_shard_is_empty_unless_the_split_is(prefixes: list[int], text_bytes: int, shard_bytes: int) -> None:
    present = np.array(prefixes, dtype=np.uint32)
    count = placement.shard_count(present, text_bytes, shard_bytes)
    assert count >= 1
    if prefixes:
        assert set(tables.ranges_of(present, count).tolist()) == set(range(count))


def test_shards_have_about_the_size_asked_for() -> None:
    present = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    assert placement.shard_count(present, 10**10, 100_000_000) == pytest.approx(39, abs=1)

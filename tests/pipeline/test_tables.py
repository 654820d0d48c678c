"""Tables cut by id and packed for a shuffle."""

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tables
from pipeline.schemas import LEDGER

IDS = st.lists(st.binary(max_size=8).map(lambda seed: hashlib.sha256(seed).hexdigest()[:32]), max_size=50)
PARTITIONS = st.integers(min_value=1, max_value=100_000)


def ledger(ids: list[str]) -> pa.Table:
    rows = [{"id": i, "url": "u", "stage": "links", "outcome": "kept", "reason": "kept", "detail": ""} for i in ids]
    return pa.Table.from_pylist(rows, schema=LEDGER)


@given(IDS, PARTITIONS)
def test_partitions_ascend_with_ids_and_stay_in_range(ids: list[str], partitions: int) -> None:
    where = [tables.partition_of(each, partitions) for each in sorted(ids)]
    assert where == sorted(where)
    assert all(0 <= each < partitions for each in where)


def test_the_ends_of_the_range_lie_in_the_first_and_the_last_partition() -> None:
    assert tables.partition_of("0" * 32, 7) == 0
    assert tables.partition_of("f" * 32, 7) == 6


@given(IDS, PARTITIONS)
def test_splitting_keeps_every_row_once_and_in_its_partition(ids: list[str], partitions: int) -> None:
    pieces = list(tables.split(ledger(ids), partitions))
    numbers = [number for number, _ in pieces]
    assert numbers == sorted(set(numbers))
    for number, piece in pieces:
        assert {tables.partition_of(each, partitions) for each in piece["id"].to_pylist()} == {number}
    assert sorted(each for _, piece in pieces for each in piece["id"].to_pylist()) == sorted(ids)


@given(st.lists(IDS, max_size=4))
def test_packed_tables_come_back_as_one(batches: list[list[str]]) -> None:
    packed = [tables.pack(ledger(ids)) for ids in batches]
    assert tables.unpack(packed, LEDGER)["id"].to_pylist() == [each for ids in batches for each in ids]
    assert tables.unpack(packed, LEDGER).schema == LEDGER


def test_a_slice_is_packed_alone_and_not_with_the_table_it_was_cut_from() -> None:
    table = ledger([hashlib.sha256(bytes([i])).hexdigest()[:32] for i in range(200)] * 50)
    assert len(tables.pack(table.slice(5, 1))) < len(tables.pack(table)) / 5


def test_a_table_of_another_shape_is_refused() -> None:
    table = ledger(["0" * 32])
    with pytest.raises(AssertionError, match="columns"):
        tables.require_schema(table.drop_columns(["detail"]), LEDGER)
    nulls = table.set_column(0, "id", pa.array([None], pa.string()))
    with pytest.raises(AssertionError, match="id has nulls"):
        tables.require_schema(nulls, LEDGER)


@given(IDS, st.integers(min_value=0, max_value=50))
def test_id_bytes_are_what_the_digits_stand_for_in_whole_columns_and_in_slices(ids: list[str], start: int) -> None:
    for column in (pa.array(ids, pa.string()), pa.chunked_array([ids[:3], ids[3:]], pa.string())):
        found = tables.id_bytes(column.slice(start))
        assert [row.tobytes().hex() for row in found] == ids[start:]
        assert tables.id_bits(column.slice(start), 24).tolist() == [int(each[24:], 16) for each in ids[start:]]

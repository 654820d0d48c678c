"""Equal documents."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.exact import content_keys, link_keys, twins
from pipeline.dedup.sources import Standing

ROW = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3), st.sampled_from([0, 1, 2]))


@given(st.lists(ROW, max_size=40), st.randoms(use_true_random=False))
def test_of_equal_documents_the_best_stays(rows: list[tuple[int, int, int, int]], random: object) -> None:
    order = random.sample(range(len(rows)), len(rows))  # type: ignore[attr-defined]
    shuffled = [(*rows[at], at) for at in order]
    columns = np.array(shuffled, dtype=np.int64).reshape(-1, 5)
    found = twins(columns[:, :2].astype(np.uint64), columns[:, 4], columns[:, 2].astype(np.uint32), columns[:, 3])
    expected = {}
    for at, (high, low, _, standing) in enumerate(rows):
        group = [(s, r, n) for n, (h, k, r, s) in enumerate(rows) if (h, k) == (high, low)]
        best = min(group)[2]
        if best != at and standing == Standing.RUN:
            expected[at] = best
    assert dict(zip(found.fallen.tolist(), found.keeper.tolist(), strict=True)) == expected
    assert found.fallen.tolist() == sorted(expected)


def test_keys_are_equal_exactly_where_the_columns_are() -> None:
    ids = ["00" * 16, "00" * 15 + "01", "ff" * 16, "00" * 16]
    keys = link_keys(pa.chunked_array([ids[:1], ids[1:]]))
    assert [keys.tolist().index(key) for key in keys.tolist()] == [0, 1, 2, 0]
    raw = pa.array([bytes.fromhex(each) for each in ids], pa.binary(16))
    again = content_keys(raw.slice(1))
    assert again.shape == (3, 2)
    assert [again.tolist().index(key) for key in again.tolist()] == [0, 1, 2]

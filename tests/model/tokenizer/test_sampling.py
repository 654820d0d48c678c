"""The sample keeps its budget, and depends on ids alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer import sampling


@given(
    documents=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50)), max_size=30),
    budget=st.integers(1, 400),
)
def test_budget_and_order(documents: list[tuple[int, int]], budget: int) -> None:
    positions = np.array([position for position, _ in documents], dtype=np.int64)
    sizes = np.array([size for _, size in documents], dtype=np.int64)
    sample = sampling.choose(positions, sizes, budget)
    inside = positions <= sample.cutoff
    assert sample.bytes == sizes[inside].sum() <= budget
    assert sample.documents == inside.sum()
    if not inside.all():  # the next position, with all documents on it, would be too much
        following = positions <= positions[~inside].min()
        assert sizes[following].sum() > budget


def test_the_sample_depends_on_ids_alone(tmp_path: Path) -> None:
    ids = [f"{number:032x}" for number in range(2000)]
    texts = [f"text {number}" for number in range(2000)]

    def chosen(order: list[int], files: int) -> set[str]:
        paths = []
        for file in range(files):
            rows = order[file::files]
            path = tmp_path / f"train-{files}-{file}.parquet"
            table = pa.table({"id": [ids[row] for row in rows], "text": [texts[row] for row in rows]})
            pq.write_table(table, path, row_group_size=300)
            paths.append(str(path))
        sample = sampling.survey(paths, 6000)
        assert 5000 < sample.bytes <= 6000
        inside = [text for batch in sampling.texts(paths, sample) for text in batch]
        outside = [text for batch in sampling.texts(paths, sample, inside=False) for text in batch]
        assert len(inside) == sample.documents
        assert sorted(inside + outside) == sorted(texts)
        return set(inside)

    forth = chosen(list(range(2000)), 1)
    assert chosen(list(range(1999, -1, -1)), 3) == forth
    numbers = [int(text.split()[1]) for text in forth]
    assert 800 < np.mean(numbers) < 1200  # from everywhere

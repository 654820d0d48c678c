import torch
from hypothesis import given
from hypothesis import strategies as st

from model.training import sharing


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(1, 9))
def test_every_piece_has_one_owner_and_loads_are_even(costs: list[int], ranks: int) -> None:
    shares = sharing.shares(costs, ranks)
    assert len(shares) == ranks
    assert sorted(index for share in shares for index in share) == list(range(len(costs)))
    assert all(share == sorted(share) for share in shares)
    loads = [sum(costs[index] for index in share) for share in shares]
    assert max(loads) - min(loads) <= max(costs, default=0)


@given(st.integers(0, 200), st.integers(1, 9))
def test_rows_are_dealt_out_as_torch_chunks_them(rows: int, ranks: int) -> None:
    chunks = [len(chunk) for chunk in torch.zeros(rows, 2).chunk(ranks)] if rows else []
    held = [sharing.rows_held(rows, rank, ranks) for rank in range(ranks)]
    assert held == (chunks + [0] * ranks)[:ranks]


def test_one_process_keeps_everything() -> None:
    matrices = [torch.ones(2, 2), torch.zeros(3, 3)]
    alone = sharing.among_ranks(matrices, [1, 2])
    assert list(alone.owned) == [0, 1]
    assert alone.scatter(alone.gather(matrices), matrices) == matrices

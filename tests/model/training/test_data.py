"""The order of the data: every window once an epoch, from the seed alone, the same for any number of ranks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.cross_entropy import IGNORED
from model.tokens.reading import TokenFiles
from model.training.batches import Batches, documents_of, validation_batches
from model.training.config import sequences_per_step
from model.training.data import Order
from model.training.ranks import Ranks
from webtext.errors import UserError

CPU = torch.device("cpu")


def token_files(count: int) -> TokenFiles:
    """Ids 0, 1, 2, ... in three files, so that a token tells its place."""
    ids = np.arange(count, dtype=np.uint16)
    return TokenFiles(
        files=np.array_split(ids, 3), documents=1, text_bytes=count, end_of_text=7, vocabulary=65535, fingerprint=""
    )


def batches(tokens: int, *, context: int, sequences: int, micro_batch: int, ranks: Ranks) -> Batches:
    return Batches(
        token_files(tokens),
        Order(tokens, context, seed=5),
        sequences=sequences,
        micro_batch=micro_batch,
        ranks=ranks,
        device=CPU,
        document_masking=True,
    )


@given(tokens=st.integers(2, 600), context=st.integers(1, 40), seed=st.integers(0, 2**63), epoch=st.integers(0, 2**20))
def test_an_epoch_takes_every_window_once_and_nothing_twice(tokens: int, context: int, seed: int, epoch: int) -> None:
    if tokens <= context:
        with pytest.raises(UserError, match=f"has {tokens} tokens, but one sequence needs {context + 1}"):
            Order(tokens, context, seed)
        return
    order = Order(tokens, context, seed)
    starts = order.starts(epoch * order.windows, order.windows)
    predicted = np.concatenate([np.arange(start + 1, start + context + 1) for start in starts])
    assert len(np.unique(predicted)) == len(predicted)
    assert starts.min() >= 0
    assert starts.max() + context + 1 <= tokens
    assert tokens - 1 - len(predicted) < 2 * context  # what an epoch leaves out: less than a window at each end


@given(st.integers(0, 500), st.integers(1, 200), st.integers(1, 7))
def test_sequences_have_their_numbers_however_they_are_asked_for(first: int, count: int, at_once: int) -> None:
    whole = Order(1000, 32, seed=3).starts(first, count)
    order = Order(1000, 32, seed=3)
    pieces = [order.starts(at, min(at_once, first + count - at)) for at in range(first, first + count, at_once)]
    assert np.concatenate(pieces).tolist() == whole.tolist()


def test_the_order_is_the_one_it_always_was() -> None:
    """A run that is continued by another version, of numpy too, must see the tokens that it has not seen."""
    assert Order(100, 8, seed=42).starts(0, 12).tolist() == PINNED


def test_seeds_and_epochs_differ() -> None:
    one, other = Order(5000, 32, seed=1), Order(5000, 32, seed=2)
    assert one.starts(0, one.windows).tolist() != other.starts(0, one.windows).tolist()
    epochs = [one.starts(epoch * one.windows, one.windows) for epoch in range(8)]
    assert len({tuple(starts.tolist()) for starts in epochs}) == 8
    assert len({int(starts.min()) % 32 for starts in epochs}) > 1


@pytest.mark.parametrize("world", [2, 3, 6])
@pytest.mark.parametrize("micro_batch", [1, 4, 100])
def test_ranks_share_a_batch_without_gap_or_repeat(world: int, micro_batch: int) -> None:
    alone = batches(900, context=16, sequences=12, micro_batch=12, ranks=Ranks())
    for batch in (0, 1, 7):
        (whole,) = alone.load(batch)
        parts = [
            part
            for rank in range(world)
            for part in batches(900, context=16, sequences=12, micro_batch=micro_batch, ranks=Ranks(rank, world)).load(
                batch
            )
        ]
        assert torch.equal(torch.cat([part.ids for part in parts]), whole.ids)
        assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)
        assert sum(part.share for part in parts) == pytest.approx(1)
        assert max(len(part.ids) for part in parts) == min(micro_batch, 12 // world)
        assert torch.equal(whole.targets, whole.ids + 1)


def test_ranks_that_cannot_share_a_batch_are_refused() -> None:
    with pytest.raises(UserError, match=r"5 ranks cannot share the 12 sequences .* make it 10 or 15 sequences"):
        batches(900, context=16, sequences=12, micro_batch=1, ranks=Ranks(0, 5))


def test_a_batch_that_is_no_multiple_of_the_context_is_refused_with_the_nearest() -> None:
    assert sequences_per_step(4096, 1024) == 4
    with pytest.raises(UserError, match="no multiple of the context of 1024 tokens; the nearest are 4096 and 5120"):
        sequences_per_step(5000, 1024)
    with pytest.raises(UserError, match="the nearest are 1024\\."):
        sequences_per_step(5, 1024)


def test_a_document_begins_with_the_end_of_the_one_before() -> None:
    ids = torch.tensor([[1, 2, 7, 3, 7, 7], [7, 1, 1, 1, 1, 1]])
    assert documents_of(ids, 7).tolist() == [[0, 0, 1, 1, 2, 3], [1, 1, 1, 1, 1, 1]]


@given(tokens=st.integers(2, 300), most=st.integers(1, 400), context=st.integers(1, 30), rows=st.integers(1, 5))
def test_validation_predicts_each_of_the_first_tokens_once(tokens: int, most: int, context: int, rows: int) -> None:
    predictions = min(most, tokens - 1)
    predicted = []
    for ids, targets in validation_batches(token_files(tokens), predictions, context, rows):
        assert ids.shape == targets.shape == (rows, context)
        known = targets != IGNORED
        assert torch.equal(targets[known], ids[known] + 1)
        predicted += targets[known].tolist()
    assert predicted == list(range(1, predictions + 1))


def test_files_are_one_sequence(tmp_path: Path) -> None:
    """Windows reach over the ends of files."""
    (part,) = batches(50, context=40, sequences=1, micro_batch=1, ranks=Ranks()).load(0)
    assert torch.equal(part.targets, part.ids + 1)


PINNED = [24, 56, 72, 0, 64, 16, 40, 48, 8, 80, 32, 77]

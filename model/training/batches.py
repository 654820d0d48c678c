"""From token files to tensors on the device: a rank's share of each step, in micro-batches."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.cross_entropy import IGNORED
from model.tokens.reading import TokenFiles
from model.training.data import Order
from model.training.ranks import Ranks
from webtext.errors import UserError


class MicroBatch(NamedTuple):
    """Some sequences of one step, as the loss takes them: each (sequences, context), int64, on the device."""

    ids: Tensor
    targets: Tensor
    documents: Tensor | None
    share: float
    """Of the whole step's sequences, all ranks together: what its mean loss weighs in the step's."""


class Batches:
    """The training batches of one rank. Batch n is made of sequences n * B to (n + 1) * B, of which each rank takes an
    equal and contiguous share."""

    def __init__(
        self,
        tokens: TokenFiles,
        order: Order,
        *,
        sequences: int,
        micro_batch: int,
        ranks: Ranks,
        device: torch.device,
        document_masking: bool,
    ) -> None:
        """sequences: in a step, all ranks together. Raises UserError where the ranks cannot share them."""
        if sequences % ranks.world:
            fewer = sequences // ranks.world * ranks.world
            raise UserError(
                f"{ranks.world} ranks cannot share the {sequences} sequences of a step (batch_tokens / context)"
                f" equally; make it {' or '.join(str(n) for n in (fewer, fewer + ranks.world) if n)} sequences,"
                " or change the number of ranks."
            )
        self._tokens, self._order, self._sequences = tokens, order, sequences
        self._mine = sequences // ranks.world
        self._first = ranks.rank * self._mine
        self._micro_batch = micro_batch
        self._device = device
        self._separator = tokens.end_of_text if document_masking else None

    def load(self, batch: int) -> list[MicroBatch]:
        """A rank's micro-batches of one batch; the last may be smaller.

        On CUDA the copy is queued behind what the device still computes: nothing waits for it.
        """
        starts = self._order.starts(batch * self._sequences + self._first, self._mine)
        length = self._order.context + 1
        block = np.stack([self._tokens[start : start + length] for start in starts.tolist()]).astype(np.int64)
        rows = to_device(torch.from_numpy(block), self._device)
        return [
            MicroBatch(
                ids=part[:, :-1].contiguous(),
                targets=part[:, 1:].contiguous(),
                documents=None if self._separator is None else documents_of(part[:, :-1], self._separator),
                share=len(part) / self._sequences,
            )
            for part in torch.split(rows, self._micro_batch)
        ]


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on the device, through pinned memory where that lets the copy run beside the computation."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def documents_of(ids: Tensor, end_of_text: int) -> Tensor:
    """A number for each position, equal inside a document: (sequences, context), int64.

    <|endoftext|> counts to the document after it, which so begins with it, as a text does that is sampled from nothing.
    """
    return (ids == end_of_text).cumsum(1)


def validation_batches(
    tokens: TokenFiles, predictions: int, context: int, rows: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The first `predictions` tokens of a split (after its very first) as ids and targets, each (rows, context).

    The sequences do not overlap. All batches have one shape; where there is nothing to predict, the target is -100.
    """
    for begin in range(0, predictions, rows * context):
        count = min(rows * context, predictions - begin)
        piece = torch.from_numpy(tokens[begin : begin + count + 1].astype(np.int64))
        ids = torch.zeros(rows * context, dtype=torch.int64)
        targets = torch.full((rows * context,), IGNORED)
        ids[:count], targets[:count] = piece[:-1], piece[1:]
        yield ids.view(rows, context), targets.view(rows, context)

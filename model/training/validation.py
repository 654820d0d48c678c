"""The validation loss: on the same tokens at every step and on any number of ranks."""

from typing import NamedTuple

import numpy as np
import torch

from model.gpt2 import GPT2
from model.tokenizer import Tokenizer
from model.tokens.reading import TokenFiles
from model.training.batches import documents_of, to_device, validation_batches
from model.training.distributed import summed
from model.training.network import Loss, let_go
from model.training.ranks import Ranks
from webtext.errors import UserError


class ValidationLoss(NamedTuple):
    """In nats. `masked` is with attention kept inside documents, where the run trains that way."""

    per_token: float
    per_byte: float
    masked: float | None


class Validation:
    """Measures the mean loss over the first tokens of the validation split, each predicted once."""

    def __init__(
        self,
        tokens: TokenFiles,
        *,
        most_tokens: int,
        context: int,
        micro_batch: int,
        ranks: Ranks,
        device: torch.device,
        token_bytes: np.ndarray[tuple[int], np.dtype[np.int64]],
        document_masking: bool,
    ) -> None:
        """token_bytes: how many bytes of text each id stands for. Raises UserError for a split with nothing in it."""
        self._tokens = tokens
        self._predictions = min(most_tokens, tokens.total - 1)
        if self._predictions < 1:
            raise UserError(
                f"the validation split has {tokens.total} tokens and nothing can be measured on it;"
                " raise publish.validation_fraction or give a larger corpus, and make the tokens anew."
            )
        self._bytes = int(token_bytes[tokens[1 : self._predictions + 1]].sum())
        self._context = context
        self._rows = min(micro_batch, -(-self._predictions // context))
        self._ranks, self._device = ranks, device
        self._separator = tokens.end_of_text if document_masking else None

    @torch.no_grad()
    def measure(self, model: GPT2, loss: Loss) -> ValidationLoss:
        """All ranks must call it together."""
        model.eval()
        plain = self._sum(loss, masked=False)
        masked = None if self._separator is None else self._sum(loss, masked=True) / self._predictions
        model.train()
        let_go(model)
        return ValidationLoss(plain / self._predictions, plain / max(1, self._bytes), masked)

    def _sum(self, loss: Loss, *, masked: bool) -> float:
        """Each rank takes every so-many-th batch; all run equally many, as FSDP2's gathering wants, some of nothing."""
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        batches = list(validation_batches(self._tokens, self._predictions, self._context, self._rows))
        world, rank = self._ranks.world, self._ranks.rank
        for turn in range(0, len(batches), world):
            mine = turn + rank
            ids, targets = (to_device(part, self._device) for part in batches[min(mine, len(batches) - 1)])
            documents = documents_of(ids, self._separator) if masked and self._separator is not None else None
            part = loss(ids, targets, documents=documents, reduction="sum")
            if mine < len(batches):
                total += part
        return float(summed(self._ranks, total))


def bytes_of_tokens(tokenizer: Tokenizer) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many bytes of text each id stands for; special tokens stand for none."""
    lengths = np.zeros(tokenizer.vocabulary, dtype=np.int64)
    for token, identity in tokenizer.contents.entries.items():
        lengths[identity] = len(token)  # a byte is spelt as one character
    return lengths

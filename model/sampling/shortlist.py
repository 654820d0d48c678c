"""The tokens that may be among the likeliest, found by reading half of the head.

At one token a step, a network on a CPU is as fast as its weights can be read, and a third of GPT-2's smallest are the
head's. But whoever takes the likeliest token, or draws from the 40 likeliest, needs exact logits of few: the head
rounded to bf16 has half the bytes and tells, with a bound on its error, which tokens cannot be among them.
"""

import torch
from torch import Tensor

from model.gpt2 import GPT2

FEWEST_NUMBERS = 1 << 23
"""In a smaller head there is nothing to save: it stays in the processor's cache."""

UNIT = 2.0**-8
"""Above the relative error of rounding to bf16, which has 8 significant bits."""


class Shortlist:
    """Finds candidates for the `count` largest logits, and their exact logits.

    By Cauchy-Schwarz, a logit w.h differs from that of rounded numbers w'.h' by at most |w - w'||h| + |w'||h - h'|; the
    product itself adds the rounding of its result and of its sum, as the exact one does.
    """

    def __init__(self, weight: Tensor) -> None:
        """weight: the head, fp32, (vocabulary, width)."""
        self._weight = weight
        self._rounded = weight.bfloat16()
        back = self._rounded.float()
        summing = 2 * weight.shape[1] * torch.finfo(torch.float32).eps
        self._length = _lengths(back)
        self._error = _lengths(weight - back) + self._length * summing

    def __call__(self, hidden: Tensor, count: int, vocabulary: int | None = None) -> tuple[Tensor, Tensor]:
        """Ids, ascending, and their exact logits, both of one dimension: all that may be among the `count` largest.

        hidden: what the head reads, fp32, (1, width). vocabulary: only ids below it.
        """
        rounded = hidden.bfloat16()
        about = torch.mv(self._rounded, rounded[0]).float()[:vocabulary]
        reading = _lengths(hidden - rounded.float()).item()
        length = _lengths(hidden).item()
        bound = self._error[:vocabulary] * length
        bound.add_(self._length[:vocabulary], alpha=reading).add_(about.abs(), alpha=UNIT)
        least = (about - bound).topk(min(count, len(about))).values[-1]
        ids = torch.nonzero(about + bound >= least)[:, 0]
        if not 0 < 4 * len(ids) <= len(about):  # so many rows are read faster one after the other; none is among NaNs
            return torch.arange(len(about)), torch.mv(self._weight, hidden[0])[:vocabulary]
        return ids, torch.mv(self._weight[ids], hidden[0])


def _lengths(rows: Tensor) -> Tensor:
    """Euclidean, of each row, by way of fp64, where no square is too small or too large."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return lengths.float()


def shortlist_of(network: GPT2) -> Shortlist | None:
    """A network's, or None where it saves nothing: on a GPU, in bf16, of a small head, on a processor without bf16."""
    weight = network.tokens.weight.detach()
    pays = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.numel() >= FEWEST_NUMBERS
    return Shortlist(weight) if pays and torch.cpu._is_avx512_bf16_supported() else None

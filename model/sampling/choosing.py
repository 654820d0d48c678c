"""Which token comes next: temperature, top-k and top-p make probabilities of logits, and a drawn number chooses.

They apply in this order, as everywhere. Tokens of equal probability stand or fall together, so that the result does not
depend on how a sort treats ties: top-k keeps more than k when the k-th has equals.
"""

import dataclasses

import torch
from torch import Tensor

from webtext.errors import UserError


@dataclasses.dataclass(frozen=True)
class Choice:
    """How a token is chosen. Raises UserError for what has no meaning."""

    temperature: float = 1.0
    """Logits are divided by it; 0 takes the likeliest token always."""
    top_k: int = 0
    """Only this many of the likeliest tokens; 0: all."""
    top_p: float = 1.0
    """Only the likeliest tokens that together reach this probability (Holtzman et al., 2019)."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise UserError(f"temperature = {self.temperature}: give a number of at least 0; 0 is greedy.")
        if self.top_k < 0:
            raise UserError(f"top-k = {self.top_k}: give a number of tokens, or 0 for all.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top-p = {self.top_p}: give a probability above 0 and at most 1.")

    @property
    def considered(self) -> int:
        """How many of the likeliest tokens can come at all; 0: every one."""
        return 1 if self.temperature == 0 else self.top_k


def choose(logits: Tensor, choice: Choice, draws: Tensor) -> Tensor:
    """A token for each row of `logits` (batch, vocabulary): int64 (batch,).

    draws: one number in [0, 1) a row, float64: a row's token depends on its own logits and number alone.
    """
    if choice.temperature == 0:
        return logits.argmax(dim=-1)
    cumulative = probabilities(logits, choice).double().cumsum(dim=-1)
    reached = draws.to(logits.device)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, reached, right=True).clamp_(max=logits.shape[-1] - 1)[:, 0]


def probabilities(logits: Tensor, choice: Choice) -> Tensor:
    """The distribution that a token is drawn from: fp32, the same shape, each row with a sum of 1.

    Temperature 0 gives the likeliest tokens an equal share.
    """
    logits = logits.float()
    largest = logits.amax(dim=-1, keepdim=True)
    if choice.temperature == 0:
        kept = (logits == largest).float()
        return kept / kept.sum(dim=-1, keepdim=True)
    scaled = (logits - largest) / choice.temperature  # the largest is 0: no temperature can overflow
    if 0 < choice.top_k < scaled.shape[-1]:
        least = scaled.topk(choice.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -torch.inf)
    shares = scaled.softmax(dim=-1)
    if choice.top_p == 1:
        return shares
    ranked = shares.sort(dim=-1, descending=True).values
    reached = ranked.double().cumsum(dim=-1) >= choice.top_p
    reached[:, -1] = True  # rounding may leave the sum below top-p
    least = ranked.gather(-1, reached.int().argmax(dim=-1, keepdim=True))
    shares = shares.masked_fill(shares < least, 0)
    return shares / shares.sum(dim=-1, keepdim=True)

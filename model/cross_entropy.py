"""The loss over a large vocabulary, with as little memory as autograd allows.

Logits are by far the largest tensors of a step: four sequences of 1,024 tokens are 0.4 GB in bf16. Plainly written, the
loss makes three more of that size in fp32. Here there is one, in the dtype that it was computed in.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

IGNORED = -100
"""A target that the loss leaves out: torch's own convention."""

CACHED_NUMBERS = 2**21
"""Logits that are fp32 at once on a CPU: 8 MB stay in its cache."""
LAUNCHED_NUMBERS = 2**28
"""The same on a GPU, where a kernel should have much to do."""


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Losses (count,) in nats and fp32 of `logits` (count, vocabulary); 0 where the target is left out.

    Uses the logits up where gradients are wanted: read them no more. Compiled, it is the plain thing, since the
    compiler never writes down what is fp32.
    """
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return F.cross_entropy(logits.float(), targets, ignore_index=IGNORED, reduction="none")
    losses: Tensor = _LogitsBecomeGradients.apply(logits, targets)
    return losses


class _LogitsBecomeGradients(torch.autograd.Function):
    """Reads the logits once, some rows at a time, and leaves softmax minus target in their place."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        losses = logits.new_empty(len(logits), dtype=torch.float32)
        at_once = CACHED_NUMBERS if logits.device.type == "cpu" else LAUNCHED_NUMBERS
        rows = max(1, at_once // logits.shape[1])
        for start in range(0, len(logits), rows):
            part, target = logits[start : start + rows], targets[start : start + rows, None]
            left_out = target == IGNORED
            target = target.masked_fill(left_out, 0)
            probability = F.log_softmax(part, dim=1, dtype=torch.float32)
            losses[start : start + rows] = -probability.gather(1, target).masked_fill_(left_out, 0)[:, 0]
            probability.exp_().scatter_add_(1, target, probability.new_full(target.shape, -1))
            part.copy_(probability.masked_fill_(left_out, 0))
        ctx.save_for_backward(logits)
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Scales in place: torch refuses a second backward pass through the same loss."""
        return ctx.saved_tensors[0].mul_(gradients[0][:, None]), None

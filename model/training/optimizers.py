"""The two recipes' optimizers behind one face: a step, its learning rates, its state by name.

`paper` is AdamW as GPT-3 describes it (Brown et al., 2020, appendix B). `fast` hands the blocks' matrices to Muon
(Jordan et al., 2024), with its update scaled to the size of AdamW's, so that both know one learning rate (Liu et al.,
"Muon is scalable for LLM training", 2025).
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from webtext.errors import UserError

if TYPE_CHECKING:
    from model.gpt2 import GPT2

Recipe = Literal["paper", "fast"]


def build(
    model: "GPT2", recipe: Recipe, *, learning_rate: float, weight_decay: float, device: torch.device
) -> "Optimizers":
    """The optimizers of a recipe over the network's parameters.

    model: the network itself, not a wrapper of it; under FSDP2 after `fully_shard`, when its parameters are DTensors.
    learning_rate: at the schedule's peak. weight_decay: decoupled, on matrices and embeddings alone.
    """
    raise NotImplementedError


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale gradients in place so that their global norm is at most `limit`; 0 leaves them as they are.

    Returns the norm before, a plain float32 scalar on the parameters' device, equal on all ranks under FSDP2 too.
    Nothing waits for the device. A norm that is not finite makes the scaled gradients useless: skip the update.
    """
    raise NotImplementedError


class Optimizers:
    """Several optimizers as one; states go by `<parameter>.<state>`, whatever the number of ranks and their sharing."""

    def step(self) -> None:
        """Update the parameters from their gradients."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients."""
        raise NotImplementedError

    def set_learning_rates(self, factor: float) -> None:
        """Set every learning rate to its peak times `factor` (see `schedules.factor`)."""
        raise NotImplementedError

    @property
    def learning_rate(self) -> float:
        """The AdamW learning rate now: what metrics show."""
        raise NotImplementedError

    def state_tensors(self, *, keep: bool = True) -> dict[str, Tensor]:
        """The whole state as full tensors. Under FSDP2 all ranks must call it together.

        keep: False for ranks that take part in gathering and need no result: they get nothing. Tensors that are not
        sharded are the living ones: copy them if a step may follow before they are written.
        """
        raise NotImplementedError

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state that `state_tensors` gave, on any number of ranks; each rank takes its share.

        Every rank passes all tensors (a lazy mapping will do). Raises UserError when names or shapes do not fit.
        """
        raise NotImplementedError

"""The two recipes' optimizers behind one face: a step, its learning rates, its state by name.

`paper` is AdamW with the numbers of GPT-3 (Brown et al., 2020, appendix B). `fast` hands the matrices of the blocks to
Muon (`model.training.muon`) and leaves embeddings, biases and LayerNorms to AdamW.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from model.training.muon import Matrix, Muon
from webtext.errors import UserError

if TYPE_CHECKING:
    from model.gpt2 import GPT2

Recipe = Literal["paper", "fast"]

BETAS = (0.9, 0.95)
EPSILON = 1e-8


def build(
    model: "GPT2", recipe: Recipe, *, learning_rate: float, weight_decay: float, device: torch.device
) -> "Optimizers":
    """The optimizers of a recipe over the network's parameters.

    model: the network itself, not a wrapper around it; under FSDP2 after `fully_shard`, when its parameters are
    DTensors. learning_rate: at the schedule's peak. weight_decay: decoupled, on matrices and embeddings alone.
    device: where the parameters lie.
    """
    parameters = dict(model.named_parameters())
    matrices = [
        Matrix(name, parameter, parts=3 if name.endswith("qkv.weight") else 1)
        for name, parameter in parameters.items()
        if recipe == "fast" and name.startswith("blocks.") and parameter.ndim == 2
    ]
    given_away = {matrix.name for matrix in matrices}
    rest = {name: parameter for name, parameter in parameters.items() if name not in given_away}
    muon = Muon(matrices, learning_rate=learning_rate, weight_decay=weight_decay)
    return Optimizers(rest, muon, learning_rate=learning_rate, weight_decay=weight_decay, device=device)


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale gradients in place so that their global norm is at most `limit`; 0 leaves them as they are.

    Returns the norm before, a plain float32 scalar on the parameters' device, equal on all ranks under FSDP2 too; it is
    not waited for. Where it is not finite the scaled gradients are of no use: the step must be skipped.
    """
    held = list(parameters)
    norm = get_total_norm([parameter.grad for parameter in held if parameter.grad is not None])
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    if limit > 0:
        clip_grads_with_norm_(held, limit, norm)
    return norm


class Optimizers:
    """AdamW for some parameters and Muon for others, as one. A state is named `<parameter>.<state>`."""

    def __init__(
        self,
        adamw: Mapping[str, nn.Parameter],
        muon: Muon,
        *,
        learning_rate: float,
        weight_decay: float,
        device: torch.device,
    ) -> None:
        self._peak = learning_rate
        self._muon = muon
        self._parameters = dict(adamw)
        decayed = [parameter for parameter in adamw.values() if parameter.ndim == 2]
        others = [parameter for parameter in adamw.values() if parameter.ndim != 2]
        self._adamw = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=learning_rate,
            betas=BETAS,
            eps=EPSILON,
            fused=True,  # on CPUs too: 124M parameters take 1.0 s there instead of 2.4
        )
        for parameter in self._parameters.values():
            self._adamw.state[parameter] = {
                "step": torch.zeros((), device=device),
                "exp_avg": torch.zeros_like(parameter.detach()),
                "exp_avg_sq": torch.zeros_like(parameter.detach()),
            }

    def step(self) -> None:
        """Update the parameters from their gradients."""
        self._adamw.step()
        self._muon.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in (*self._parameters.values(), *(matrix.parameter for matrix in self._muon.matrices)):
            parameter.grad = None

    def set_learning_rates(self, factor: float) -> None:
        """Set the learning rates to their peak times `factor` (see `schedules.factor`)."""
        for group in self._adamw.param_groups:
            group["lr"] = self._peak * factor
        self._muon.learning_rate = self._peak * factor

    @property
    def learning_rate(self) -> float:
        """The learning rate now."""
        return self._muon.learning_rate

    def state_tensors(self, *, keep: bool = True) -> dict[str, Tensor]:
        """The whole state as full tensors. Under FSDP2 all ranks must call it together.

        keep: False on ranks that only take part in bringing tensors together: they get nothing. Tensors that are not
        sharded are the living ones: copy them if a step may come before they are written.
        """
        whole = {}
        for name, tensor in self._state().items():
            full = tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor
            if keep:
                whole[name] = full
        return whole

    @torch.no_grad()
    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state_tensors` gave, on whatever number of ranks; every rank passes all tensors.

        Nothing is sent: each rank takes its share, and a mapping that reads tensors when asked for them is enough.
        Raises UserError when names or shapes do not fit this network and recipe; nothing is changed then.
        """
        own = self._state()
        if tensors.keys() != own.keys():
            odd = min(tensors.keys() ^ own.keys())
            raise UserError(
                f"the saved optimizer state {'lacks' if odd in own else 'has'} {odd}: it is of another model or "
                "recipe; continue with the config that it was saved under."
            )
        for name, tensor in own.items():
            if tensors[name].shape != tensor.shape:
                raise UserError(
                    f"the saved optimizer state {name} has the shape {tuple(tensors[name].shape)} instead of "
                    f"{tuple(tensor.shape)}: it is of another model; continue with the config that it was saved under."
                )
        for name, tensor in own.items():
            saved = tensors[name].to(tensor.device)
            if isinstance(tensor, DTensor):
                saved = distribute_tensor(saved, tensor.device_mesh, tensor.placements, src_data_rank=None)
            tensor.copy_(saved)

    def _state(self) -> dict[str, Tensor]:
        adamw = {
            f"{name}.{key}": value
            for name, parameter in self._parameters.items()
            for key, value in self._adamw.state[parameter].items()
        }
        return adamw | {f"{name}.momentum": momentum for name, momentum in self._muon.momenta.items()}

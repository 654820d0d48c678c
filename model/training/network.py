"""The network on its device, as one rank holds it, and the function that a step differentiates."""

import contextlib
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

from model.gpt2 import GPT2, GPT2Config
from model.training.config import TrainConfig
from model.training.ranks import Ranks
from webtext.errors import UserError


class Loss(Protocol):
    """`GPT2.loss`, compiled or not, in the dtype that the run computes in."""

    def __call__(
        self, ids: Tensor, targets: Tensor, *, documents: Tensor | None = None, reduction: str = "mean"
    ) -> Tensor:
        """Cross-entropy in nats, fp32."""
        ...


def device_of(config: TrainConfig, ranks: Ranks) -> torch.device:
    """Where this rank computes. Raises UserError for CUDA where there is none."""
    if config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if ranks.local >= torch.cuda.device_count():
        raise UserError(
            f"device = {config.device}: rank {ranks.rank} wants GPU {ranks.local}, but torch finds"
            f" {torch.cuda.device_count()} here; start fewer ranks on this machine or set device to cpu."
        )
    device = torch.device("cuda", ranks.local)
    torch.cuda.set_device(device)
    return device


def dtype_of(config: TrainConfig, device: torch.device) -> torch.dtype:
    """What products are computed in; weights, gradients and the optimizer's state are fp32 always."""
    if config.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[config.dtype]


def build(
    config: TrainConfig,
    network: GPT2Config,
    ranks: Ranks,
    device: torch.device,
    *,
    recompute: bool,
    fill: Callable[[GPT2], None] | None,
) -> tuple[GPT2, Loss]:
    """A network and its loss. Under FSDP2 the parameters are DTensors, sharded by rows over all ranks.

    recompute: as decided for this device. fill: sets the weights of the whole network, on the CPU; None where a
    checkpoint will.
    """
    dtype = dtype_of(config, device)
    compiled = config.compile if config.compile != "auto" else device.type == "cuda"
    model = GPT2(network, recompute=recompute)
    if fill is not None:
        fill(model)
    if config.parallel == "fsdp" and ranks.world > 1:
        _shard(model, dtype, ranks, device, compiled=compiled)
        return model, model.loss
    model.to(device)
    return model, _whole_loss(model, dtype, device, compiled=compiled)


def let_go(model: GPT2) -> None:
    """Have FSDP2 hold nothing but shares again.

    After a forward pass without a backward one it keeps the root's weights whole: the network's parameters are others
    then than those that are trained.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _whole_loss(model: GPT2, dtype: torch.dtype, device: torch.device, *, compiled: bool) -> Loss:
    """Forward pass and loss as one function: compiled, the logits never exist in fp32."""

    def loss(ids: Tensor, targets: Tensor, *, documents: Tensor | None = None, reduction: str = "mean") -> Tensor:
        lower = torch.autocast(device.type, dtype) if dtype != torch.float32 else contextlib.nullcontext()
        with lower:
            return model.loss(ids, targets, documents=documents, reduction=reduction)

    return _compiled(loss) if compiled else loss


def _compiled(function: Loss) -> Loss:
    compiled: Callable[..., Tensor] = torch.compile(function, dynamic=False)
    return compiled


def _shard(model: GPT2, dtype: torch.dtype, ranks: Ranks, device: torch.device, *, compiled: bool) -> None:
    """FSDP2: each block is gathered when its turn comes, and let go of; the embeddings stay with the root.

    Blocks are compiled one by one, since a graph cannot reach over the gathering between them.
    """
    mesh = init_device_mesh(device.type, (ranks.world,))
    precision = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for block in model.blocks:
        if compiled:
            block.compile(dynamic=False)
        fully_shard(block, mesh=mesh, mp_policy=precision)
    fully_shard(model, mesh=mesh, mp_policy=precision)
    register_fsdp_forward_method(model, "loss")

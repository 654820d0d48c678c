"""A step's gradients: where micro-batches add them up, and how ranks add theirs together."""

from typing import Protocol

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule

from model.training.ranks import Ranks

REDUCED_AT_ONCE = 16 * 1024 * 1024
"""Numbers in one all-reduce, 64 MiB: large enough for full bandwidth, small enough to overlap with the next."""


class Gradients(Protocol):
    """The gradients of one step."""

    def clear(self) -> None:
        """Begin a step."""
        ...

    def expect(self, *, last: bool) -> None:
        """Before each forward pass: whether this micro-batch is the step's last."""
        ...

    def combine(self) -> None:
        """After the last backward pass: make them the sums over all ranks."""
        ...


def of(model: nn.Module, ranks: Ranks) -> Gradients:
    """The gradients of a network, as its parameters are held."""
    return Sharded(model) if isinstance(model, FSDPModule) else Whole(model, ranks)


class Whole:
    """Every rank holds all gradients, as views of one flat fp32 buffer that is summed over ranks once a step.

    In place of DistributedDataParallel: the loss is compiled as one graph, whose gradients all come at its end, so the
    reduction has nothing to overlap with but itself; and no micro-batch has to be told not to reduce.
    """

    def __init__(self, model: nn.Module, ranks: Ranks) -> None:
        self._parameters = list(model.parameters())
        self._world = ranks.world
        self._flat = torch.zeros(
            sum(parameter.numel() for parameter in self._parameters), device=self._parameters[0].device
        )
        views = torch.split(self._flat, [parameter.numel() for parameter in self._parameters])
        self._views = [view.view_as(parameter) for view, parameter in zip(views, self._parameters, strict=True)]

    def clear(self) -> None:
        """Zero the buffer; the backward pass adds to its views."""
        self._flat.zero_()
        for parameter, view in zip(self._parameters, self._views, strict=True):
            parameter.grad = view

    def expect(self, *, last: bool) -> None:
        """Nothing to prepare."""

    def combine(self) -> None:
        """All-reduce the buffer in pieces."""
        if self._world > 1:
            pieces = torch.split(self._flat, REDUCED_AT_ONCE)
            for work in [dist.all_reduce(piece, async_op=True) for piece in pieces]:
                work.wait()


class Sharded:
    """FSDP2 holds the gradients: summed over ranks and sharded inside the last micro-batch's backward pass."""

    def __init__(self, model: FSDPModule) -> None:
        self._model = model
        for part in model.modules():  # type: ignore[attr-defined]
            if isinstance(part, FSDPModule):
                part.set_gradient_divide_factor(1.0)  # the losses are weighted: their sum is the mean already
                part.set_force_sum_reduction_for_comms(True)

    def clear(self) -> None:
        """Let go of the last step's."""
        for parameter in self._model.parameters():  # type: ignore[attr-defined]
            parameter.grad = None

    def expect(self, *, last: bool) -> None:
        """Reduce with the last micro-batch alone."""
        self._model.set_requires_gradient_sync(last)

    def combine(self) -> None:
        """Done in the backward pass."""

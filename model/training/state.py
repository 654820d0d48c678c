"""What a run carries from step to step, and its way into a checkpoint and back, on any number of ranks."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from model import weights
from model.gpt2 import GPT2
from model.training import checkpoints, spikes
from model.training.checkpoints import Snapshot
from model.training.optimizers import Optimizers
from model.training.spikes import SpikeState


@dataclasses.dataclass
class Progress:
    """Where a run stands: numbers alone, the same on all ranks. Nothing in a step is random, so this is all."""

    step: int = 0
    """Steps made, skipped updates included."""
    batch: int = 0
    """The next batch in the order of the data: the same as `step` until a return to a checkpoint leaves some out."""
    spikes: SpikeState = dataclasses.field(default_factory=spikes.initial)

    def as_json(self) -> dict[str, Any]:
        """For trainer.json; no times in it, so equal runs have equal files."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Progress":
        """What `as_json` gave."""
        return Progress(values["step"], values["batch"], values["spikes"])


def snapshot(
    model: GPT2, optimizers: Optimizers, progress: Progress, *, validation_loss: float | None, keep: bool
) -> Snapshot | None:
    """A checkpoint's contents as full tensors on the CPU. All ranks must call it together; `keep` says who gets it.

    On a CPU some tensors are the living ones: write them before the next step.
    """
    held = gather_weights(model, keep=keep)
    trainer_tensors = optimizers.state_tensors(keep=keep)
    if not keep:
        return None
    copied = next(model.parameters()).device.type != "cpu"  # the file may be written while the next step is made
    return Snapshot(
        step=progress.step,
        weights=weights.to_huggingface(held, model.config),
        network=weights.huggingface_config(model.config),
        trainer_tensors={name: tensor.detach().to("cpu", copy=copied) for name, tensor in trainer_tensors.items()},
        trainer=progress.as_json(),
        validation_loss=validation_loss,
    )


def restore(folder: Path, model: GPT2, optimizers: Optimizers) -> Progress:
    """Take over a checkpoint; each rank reads the files and keeps its share."""
    with safe_open(folder / checkpoints.WEIGHTS, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    fill_weights(model, weights.from_huggingface(tensors, model.config))
    with safe_open(folder / checkpoints.TRAINER_TENSORS, framework="pt") as file:
        optimizers.load_state_tensors(TensorsOnDisk(file))
    return Progress.from_json(checkpoints.read_trainer(folder))


def gather_weights(model: GPT2, *, keep: bool) -> dict[str, Tensor]:
    """Full parameters on the CPU, on ranks that keep them. All ranks must call it together."""
    whole = {}
    for name, parameter in model.named_parameters():
        full = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
        if keep:
            whole[name] = full.detach().cpu()
    return whole


@torch.no_grad()
def fill_weights(model: GPT2, tensors: Mapping[str, Tensor]) -> None:
    """Set the parameters from full tensors; a rank that holds shares takes its own."""
    for name, parameter in model.named_parameters():
        whole = tensors[name].to(parameter.device)
        if isinstance(parameter, DTensor):
            share = distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
            parameter.to_local().copy_(share.to_local())
        else:
            parameter.copy_(whole)


class TensorsOnDisk(Mapping[str, Tensor]):
    """A safetensors file, opened, as a mapping that reads a tensor when it is asked for."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._names = set(file.keys())

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def __iter__(self) -> Any:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)

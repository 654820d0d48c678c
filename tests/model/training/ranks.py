"""One of several processes that optimise a small network together, from gradients that are made up.

A program, since the test's own process has its threads already: `python -m tests.model.training.ranks RANK RANKS FOLDER
RUN...`. A run is `NAME,MODE,RECIPE,START,STOP,BEFORE`: it goes on from FOLDER/BEFORE.safetensors, where one is named,
and writes FOLDER/NAME-RANK.safetensors: weights, optimizer state and the gradients' norms.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from model.gpt2 import GPT2, GPT2Config
from model.training import optimizers
from model.training.optimizers import Recipe

CONFIG = GPT2Config(layers=2, heads=3, width=33, context=32, vocabulary=300)
"""Of an odd width, so that two ranks cannot share rows evenly."""


def new_network() -> GPT2:
    network = GPT2(CONFIG)
    network.initialise(torch.Generator().manual_seed(1))
    return network


def set_gradients(network: nn.Module, step: int) -> None:
    """The same on every rank and for every sharing."""
    generator = torch.Generator().manual_seed(1000 + step)
    for parameter in network.parameters():
        gradient = torch.randn(parameter.shape, generator=generator) * 0.01
        if isinstance(parameter, DTensor):
            parameter.grad = distribute_tensor(gradient, parameter.device_mesh, parameter.placements)
        else:
            parameter.grad = gradient


def optimise(
    network: GPT2, recipe: Recipe, start: int, stop: int, saved: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Steps `start` to `stop`; returns full weights, state and norms, as `saved` takes them."""
    optimizer = optimizers.build(network, recipe, learning_rate=1e-2, weight_decay=0.1, device=torch.device("cpu"))
    if saved is not None:
        optimizer.load_state_tensors({k[6:]: v for k, v in saved.items() if k.startswith("state.")})
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                weight = saved[f"weight.{name}"]
                if isinstance(parameter, DTensor):
                    weight = distribute_tensor(weight, parameter.device_mesh, parameter.placements)
                parameter.copy_(weight)
    norms = []
    for step in range(start, stop):
        set_gradients(network, step)
        optimizer.set_learning_rates(1 / (1 + step))
        norms.append(optimizers.clip_gradients(network.parameters(), 1.0))
        optimizer.step()
        optimizer.zero_grad()
    weights = {
        name: parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
        for name, parameter in network.named_parameters()
    }
    return {
        **{f"weight.{name}": weight.detach().clone().contiguous() for name, weight in weights.items()},
        **{f"state.{name}": tensor.clone() for name, tensor in optimizer.state_tensors().items()},
        "norms": torch.stack(norms),
    }


def sharded(network: GPT2, ranks: int) -> GPT2:
    mesh = init_device_mesh("cpu", (ranks,))
    for block in network.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)
    return network


def main() -> None:
    rank, ranks, folder, *runs = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=int(rank), world_size=int(ranks))
    for run in runs:
        name, mode, recipe, start, stop, before = run.split(",")
        network = sharded(new_network(), int(ranks)) if mode == "fsdp" else new_network()
        saved = load_file(Path(folder) / f"{before}.safetensors") if before else None
        result = optimise(network, recipe, int(start), int(stop), saved)  # type: ignore[arg-type]
        save_file(result, Path(folder) / f"{name}-{rank}.safetensors")
        dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

"""Who trains against whom: webtext's GPT-2, that of transformers, and nanoGPT's, each with its AdamW, ready to step."""

import contextlib
import dataclasses
import gc
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from model.cross_entropy import cross_entropy
from model.gpt2 import GPT2, GPT2Config
from model.training import optimizers
from model.training.optimizers import Recipe

LEARNING_RATE = 1e-4
WEIGHT_DECAY = 0.1

Loss = Callable[[Tensor, Tensor], Tensor]
Compiled = Literal["no", "whole", "blocks"]
"""blocks: one of a network's blocks for all, and the head with the loss: takes as long for 48 layers as for 12."""


@dataclasses.dataclass
class Contestant:
    """A network that learns: `loss(ids, targets)` of (batch, time) each."""

    name: str
    network: nn.Module
    loss: Loss
    update: Callable[[], object]
    set_learning_rates: Callable[[float], object] = lambda _: None
    """To their peak times a factor; does nothing for rivals."""

    def step(self, micro_batches: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """One optimizer step on the mean loss over micro-batches; returns the last one's loss, on its device."""
        loss = torch.zeros(())
        for ids, targets in micro_batches:
            loss = self.loss(ids, targets)
            torch.autograd.backward(loss / len(micro_batches))
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.update()
        self.network.zero_grad(set_to_none=True)
        return loss.detach()


@dataclasses.dataclass(frozen=True)
class Terms:
    """What all have in common."""

    config: GPT2Config
    device: torch.device
    dtype: torch.dtype = torch.float32
    """Of autocast; weights are fp32."""
    compiled: Compiled = "no"
    recompute: bool = False

    def prepared(self, loss: Loss) -> Loss:
        """A loss under autocast, compiled as a whole where that is agreed."""

        def lower(ids: Tensor, targets: Tensor) -> Tensor:
            enabled = self.dtype != torch.float32
            with torch.autocast(self.device.type, self.dtype) if enabled else contextlib.nullcontext():
                return loss(ids, targets)

        return torch.compile(lower, dynamic=False) if self.compiled == "whole" else lower


def webtext(terms: Terms, recipe: Recipe = "paper", learning_rate: float = LEARNING_RATE) -> Contestant:
    network = GPT2(terms.config, recompute=terms.recompute)
    network.initialise(torch.Generator().manual_seed(0))
    network.to(terms.device)
    optimizer = optimizers.build(
        network, recipe, learning_rate=learning_rate, weight_decay=WEIGHT_DECAY, device=terms.device
    )
    loss = _by_blocks(network) if terms.compiled == "blocks" else network.loss
    return Contestant("webtext", network, terms.prepared(loss), optimizer.step, optimizer.set_learning_rates)


def _by_blocks(network: GPT2) -> Loss:
    for block in network.blocks:
        block.compile(dynamic=False)

    @torch.compile(dynamic=False)
    def head(hidden: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(network.logits(hidden).flatten(0, 1), targets.flatten()).mean()

    return lambda ids, targets: head(network.hidden(ids), targets)


def transformers(terms: Terms) -> Contestant:
    """As it comes, but without dropout. It shifts the labels itself and so predicts one token fewer a sequence."""
    from transformers import GPT2Config as TheirConfig
    from transformers import GPT2LMHeadModel

    config = terms.config
    network: Any = GPT2LMHeadModel(
        TheirConfig(
            n_layer=config.layers,
            n_head=config.heads,
            n_embd=config.width,
            n_positions=config.context,
            vocab_size=config.vocabulary,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
        )
    )
    network.to(terms.device).train()
    if terms.recompute:
        network.gradient_checkpointing_enable()
    loss = terms.prepared(lambda ids, _: network(ids, labels=ids).loss)
    return Contestant("transformers", network, loss, _adamw(network).step)


def nanogpt(terms: Terms, checkout: Path) -> Contestant:
    """Its `model.py` out of a checkout: vocabulary padded as its `train.py` does, with biases, with its own AdamW.

    It knows no recomputing of activations, and refuses context and width only by running out of memory.
    """
    specification = importlib.util.spec_from_file_location("nanogpt_model", checkout / "model.py")
    assert specification is not None
    assert specification.loader is not None
    module: Any = importlib.util.module_from_spec(specification)
    sys.modules["nanogpt_model"] = module  # its dataclass looks itself up there
    specification.loader.exec_module(module)
    config = terms.config
    with contextlib.redirect_stdout(sys.stderr):
        network = module.GPT(
            module.GPTConfig(
                block_size=config.context,
                vocab_size=config.padded_vocabulary,
                n_layer=config.layers,
                n_head=config.heads,
                n_embd=config.width,
                dropout=0.0,
                bias=True,
            )
        ).to(terms.device)
        optimizer = network.configure_optimizers(WEIGHT_DECAY, LEARNING_RATE, (0.9, 0.95), terms.device.type)
    loss = terms.prepared(lambda ids, targets: network(ids, targets)[1])
    return Contestant("nanoGPT", network, loss, optimizer.step)


def entries(nanogpt_checkout: Path | None) -> dict[str, Callable[[Terms], Contestant]]:
    """All that can be had here, by name."""
    found: dict[str, Callable[[Terms], Contestant]] = {"webtext": webtext}
    if importlib.util.find_spec("transformers") is not None:
        found["transformers"] = transformers
    if nanogpt_checkout is not None:
        found["nanoGPT"] = lambda terms: nanogpt(terms, nanogpt_checkout)
    return found


def batch(config: GPT2Config, sequences: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids that mean nothing, and the targets after them."""
    drawn = torch.randint(
        0, config.vocabulary, (sequences, config.context + 1), generator=torch.Generator().manual_seed(0)
    )
    return drawn[:, :-1].contiguous().to(device), drawn[:, 1:].contiguous().to(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """How long some work takes, the device's part included."""
    _settle(device)
    began = time.perf_counter()
    work()
    _settle(device)
    return time.perf_counter() - began


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def free(device: torch.device) -> None:
    """Give memory back that nobody uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch._dynamo.reset()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _adamw(network: nn.Module) -> torch.optim.Optimizer:
    decayed = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in network.parameters() if parameter.ndim < 2]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), fused=True)

"""How much a GPU gets to do at once, and what share of its peak that amounts to."""

import torch

from benchmarks.contestants import Terms
from model.training import gpus, planning

TOKENS_A_STEP = 131_072
"""Fewer than in a real run, whose optimizer takes a smaller share of the time."""


def fitting(terms: Terms) -> tuple[int, bool]:
    """Sequences in a micro-batch and whether to recompute; two where there is no GPU."""
    if terms.device.type != "cuda":
        return 2, False
    memory = torch.cuda.get_device_properties(terms.device).total_memory
    return planning.fitting(terms.config, memory, at_most=max(1, TOKENS_A_STEP // terms.config.context)) or (1, True)


def micro_batches(terms: Terms, sequences: int) -> int:
    """In one step."""
    return max(1, TOKENS_A_STEP // (sequences * terms.config.context)) if terms.device.type == "cuda" else 1


def mfu(terms: Terms, tokens_per_second: float) -> float | None:
    gpu = gpus.known(torch.cuda.get_device_name(terms.device)) if terms.device.type == "cuda" else None
    return tokens_per_second * planning.flops_per_token(terms.config) / gpu.peak if gpu else None

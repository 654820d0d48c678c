"""What a run will take, before it begins: memory by part, FLOPs, tokens, time and price on a given GPU.

Parameters, tokens and FLOPs are exact. Memory is a model of what `model/gpt2.py` keeps for its backward pass: exact for
the tensors that eager PyTorch saves (the tests count them), some tenths too high where the compiler chooses to
compute again instead, and without the allocator's waste, for which `SPARE` is held back. Time rests on an assumed MFU.
"""

import dataclasses
from typing import TYPE_CHECKING, Literal

from model.training.gpus import GIB, Gpu

if TYPE_CHECKING:
    from model.gpt2 import GPT2Config

ASSUMED_MFU = 0.4
"""What trainers in PyTorch reach on current GPUs with GPT-2, 124M; larger networks reach more."""
SPARE = 0.1
"""Share of a GPU's memory for the CUDA context, kernels' work space and what the allocator cannot use."""
MOST_SEQUENCES = 64
"""In a micro-batch: more fills no GPU better."""
FEWEST_TOKENS = 2048
"""In a micro-batch: with fewer, small products leave a GPU idle more than computing activations twice costs."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """How a network is trained, as far as memory is concerned."""

    recipe: Literal["paper", "fast"] = "paper"
    bf16: bool = True
    shards: int = 1
    """Over how many GPUs weights, gradients and optimizer are divided: all of them with FSDP2, 1 otherwise."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes on one GPU at the fullest moment of a step."""

    weights: int
    """fp32, and the bf16 copies that products are made with."""
    gradients: int
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass."""
    logits: int
    """Kept, and their gradient."""

    @property
    def total(self) -> int:
        """All parts together."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def flops_per_token(config: "GPT2Config") -> int:
    """Of forward and backward pass, by the formula of PaLM (Chowdhery et al., 2022, appendix B), context in full.

    Six for each parameter, the positions' embedding left out since nothing is multiplied with it, and 12 x layers x
    width x context for attention.
    """
    multiplied = config.parameters - config.context * config.width
    return 6 * multiplied + 12 * config.layers * config.width * config.context


def activation_bytes(config: "GPT2Config", sequences: int, *, recompute: bool, bf16: bool = True) -> int:
    """What the forward pass keeps of a micro-batch for the backward pass, without logits and copies of weights.

    For each token and layer, in numbers: the inputs of both LayerNorms (fp32), the outputs of both, queries, keys and
    values, attention's output, and the MLP's inner layer before and after its GELU; besides these, statistics of the
    LayerNorms and the softmax. Under recomputation only a block's input is kept, and one block is whole at a time.
    """
    tokens, width = sequences * config.context, config.width
    number = 2 if bf16 else 4
    block = tokens * (2 * 4 * width + 14 * width * number + 16 + 4 * config.heads)
    ends = tokens * (4 * width + width * number)
    return ends + (config.layers * 4 * tokens * width + block if recompute else config.layers * block)


def memory(config: "GPT2Config", sequences: int, *, recompute: bool, setup: Setup | None = None) -> Memory:
    """What a micro-batch of so many sequences takes on each GPU."""
    setup = setup or Setup()
    whole = config.parameters + (config.padded_vocabulary - config.vocabulary) * config.width
    block = 12 * config.width**2
    held = -(-whole // setup.shards)
    # FSDP2 has the embeddings whole all the time, and the blocks that come and go; gradients it adds up whole
    copied = whole if setup.shards == 1 else whole - (config.layers - 2) * block
    by_muon = config.layers * block // setup.shards if setup.recipe == "fast" else 0
    logits = sequences * config.context * config.padded_vocabulary
    return Memory(
        weights=4 * held + (2 * copied if setup.bf16 else 0),
        gradients=4 * whole,
        optimizer=8 * held - 4 * by_muon,
        activations=activation_bytes(config, sequences, recompute=recompute, bf16=setup.bf16),
        logits=logits * (2 + 4 if setup.bf16 else 4 + 4),
    )


def fits(part: Memory, gpu_memory: int) -> bool:
    """Whether a GPU of so many bytes holds it, with some to spare."""
    return part.total <= (1 - SPARE) * gpu_memory


def fitting(
    config: "GPT2Config",
    gpu_memory: int,
    *,
    at_most: int = MOST_SEQUENCES,
    recompute: bool | None = None,
    setup: Setup | None = None,
) -> tuple[int, bool] | None:
    """The micro-batch (in sequences, a power of two) and whether to recompute activations, for a GPU of so many bytes.

    at_most: sequences that a rank has to compute in a step. recompute: where it is decided already; otherwise it is
    chosen only where there is no room for `FEWEST_TOKENS` without it. None where not even one sequence fits.
    """
    enough = min(at_most, max(1, FEWEST_TOKENS // config.context))
    sizes = [2**power for power in range(MOST_SEQUENCES.bit_length()) if 2**power <= min(at_most, MOST_SEQUENCES)]
    choices = (False, True) if recompute is None else (recompute,)
    largest = dict.fromkeys((False, True), 0)
    for choice in choices:
        fit = [n for n in sizes if fits(memory(config, n, recompute=choice, setup=setup), gpu_memory)]
        largest[choice] = max(fit, default=0)
    if largest[False] and (recompute is False or 2 * largest[False] > enough):
        return largest[False], False
    return (largest[True], True) if largest[True] else None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will take. `lines()` says it to a person."""

    config: "GPT2Config"
    gpu: Gpu
    gpus: int
    sequences: int
    recompute: bool
    memory: Memory
    steps: int
    batch_tokens: int
    data_tokens: int | None
    """In the training split, where it is known."""
    mfu: float
    price_per_gpu_hour: float

    @property
    def tokens(self) -> int:
        """Trained on in the whole run."""
        return self.steps * self.batch_tokens

    @property
    def flops(self) -> int:
        """Of the whole run."""
        return self.tokens * flops_per_token(self.config)

    @property
    def epochs(self) -> float | None:
        """How often each token of the training split is seen."""
        return self.tokens / self.data_tokens if self.data_tokens else None

    @property
    def tokens_per_second(self) -> float:
        """Of all GPUs together, at the assumed MFU."""
        return self.gpus * self.gpu.peak * self.mfu / flops_per_token(self.config)

    @property
    def seconds(self) -> float:
        """Of the whole run, at the assumed MFU."""
        return self.tokens / self.tokens_per_second

    @property
    def dollars(self) -> float:
        """Of the whole run, at the assumed MFU."""
        return self.seconds / 3600 * self.gpus * self.price_per_gpu_hour

    @property
    def fits(self) -> bool:
        """Whether memory is enough, with some to spare."""
        return fits(self.memory, self.gpu.memory)

    def lines(self) -> list[str]:
        """The plan as lines of text, the exact number of parameters in the first."""
        shape, gib = self.config, 1 / GIB
        parts = ", ".join(
            f"{field.name} {getattr(self.memory, field.name) * gib:.1f}" for field in dataclasses.fields(self.memory)
        )
        rows = {
            "parameters": f"{shape.parameters} ({shape.parameters:,})",
            "network": f"{shape.layers} layers, {shape.heads} heads, width {shape.width}, context {shape.context:,}, "
            f"vocabulary {shape.vocabulary:,} (padded to {shape.padded_vocabulary:,})",
            "GPU": f"{self.gpus} x {self.gpu.name}, {self.gpu.memory * gib:.0f} GiB, "
            f"{self.gpu.peak / 1e12:,.0f} TFLOP/s in dense bf16",
            "memory": f"about {self.memory.total * gib:.1f} GiB a GPU: {parts}",
            "micro-batch": f"{self.sequences} sequences, recompute {str(self.recompute).lower()}",
            "FLOPs": f"{flops_per_token(shape) / 1e9:.3f} billion a token, {self.flops:.3e} in all",
            "tokens": f"{self.tokens:,} in {self.steps:,} steps of {self.batch_tokens:,}",
            "time": f"{duration(self.seconds)} at {self.mfu:.0%} MFU, {self.tokens_per_second:,.0f} tokens/s",
        }
        if not self.fits:
            rows["memory"] += "; TOO MUCH: lower micro_batch, set recompute, or use parallel=fsdp on more GPUs"
        if self.epochs is not None:
            rows["tokens"] += f", {self.epochs:.2f} epochs of {self.data_tokens:,}"
        if self.price_per_gpu_hour:
            rows["time"] += f", ${self.dollars:,.2f} at ${self.price_per_gpu_hour:g} a GPU hour"
        return [f"{name:<12}{text}" for name, text in rows.items()]


def plan(
    config: "GPT2Config",
    gpu: Gpu,
    *,
    steps: int,
    batch_tokens: int,
    gpus: int = 1,
    setup: Setup | None = None,
    micro_batch: int | None = None,
    recompute: bool | None = None,
    data_tokens: int | None = None,
    mfu: float = ASSUMED_MFU,
    price_per_gpu_hour: float = 0.0,
) -> Plan:
    """What a run of `steps` steps of `batch_tokens` tokens each (all GPUs together) will take.

    micro_batch, recompute: as configured; each is None for what fits the GPU. data_tokens: in the training split.
    """
    at_most = max(1, batch_tokens // config.context // gpus)
    if micro_batch is None:
        fallback = (1, recompute is not False)
        sequences, recomputes = (
            fitting(config, gpu.memory, at_most=at_most, recompute=recompute, setup=setup) or fallback
        )
    else:
        sequences = min(at_most, micro_batch)
        plainly = memory(config, sequences, recompute=False, setup=setup)
        recomputes = not fits(plainly, gpu.memory) if recompute is None else recompute
    return Plan(
        config=config,
        gpu=gpu,
        gpus=gpus,
        sequences=sequences,
        recompute=recomputes,
        memory=memory(config, sequences, recompute=recomputes, setup=setup),
        steps=steps,
        batch_tokens=batch_tokens,
        data_tokens=data_tokens,
        mfu=mfu,
        price_per_gpu_hour=price_per_gpu_hour,
    )


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

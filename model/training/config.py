"""Every key of `webtext train` and `webtext finetune`: its meaning, its default, and what is allowed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic

from model.training import schedules
from model.training.spikes import SpikePolicy
from webtext.errors import UserError
from webtext.settings import Section

if TYPE_CHECKING:
    from model.gpt2 import GPT2Config

Count = Annotated[int, pydantic.Field(gt=0)]
Whole = Annotated[int, pydantic.Field(ge=0)]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
NotNegative = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]


class Shape(Section):
    """A network's shape, or the name of a preset; the vocabulary is that of `tokens`."""

    layers: Count
    heads: Count
    width: Count
    context: Count = 1024
    """Tokens in a sequence, and positions that the network knows."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _of_preset(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        from model.gpt2 import PRESETS

        if value not in PRESETS:
            raise ValueError(f"give layers, heads and width, or one of the presets {', '.join(PRESETS)}")
        preset = PRESETS[value]
        return {name: getattr(preset, name) for name in cls.model_fields}

    def network(self, vocabulary: int) -> "GPT2Config":
        """The shape with its vocabulary. Raises UserError where no network can have it."""
        from model.gpt2 import GPT2Config

        return GPT2Config(self.layers, self.heads, self.width, self.context, vocabulary)


class TrainConfig(Section):
    """What a training run is. `output`, `tokens`, `model`, `steps` and `batch_tokens` are enough.

    Keys marked (how) say how it is computed and may be changed whenever the run is continued; `steps` may, while the
    learning rate has not begun to depend on it; all others belong to the run, and a changed one is refused.
    """

    output: str
    """(how) The training run: where metrics and checkpoints go."""
    tokens: str
    """(how) A RUN/tokens folder, as `webtext tokens` writes it; it may move, its contents may not change."""
    model: Shape | None = None
    """A preset (gpt2, gpt2-medium, gpt2-large, gpt2-xl and small ones), or layers, heads, width and context; with
    `init_from` it may be left out."""
    recipe: Literal["paper", "fast"] = "paper"
    """paper: AdamW with a cosine, as in GPT-3. fast: Muon on the blocks' matrices with a plateau and a linear end."""
    seed: Whole = 0
    """Of the weights' beginning and of the order of the tokens."""
    steps: Count
    """Updates in the whole run."""
    batch_tokens: Count
    """Tokens in one update, all ranks together; a multiple of the context."""
    init_from: str | None = None
    """Weights to begin with: a checkpoint, a training run, or a Hugging Face folder."""

    learning_rate: Rate | None = None
    """At its peak; by default it follows from the network's size, the recipe, and whether it begins from weights."""
    warmup_steps: Whole | None = None
    """Steps of a linear rise; by default a tenth of all, at most 2,000 (paper) or 256 (fast)."""
    schedule: Literal["cosine", "wsd"] | None = None
    """By default cosine for `paper` and wsd (warm-up, stable, decay) for `fast`."""
    decay_share: Share = 0.2
    """The share of the steps in which a wsd schedule comes down."""
    weight_decay: NotNegative = 0.1
    """Decoupled, on matrices and embeddings alone (GPT-3: 0.1)."""
    clip: NotNegative = 1.0
    """The largest norm of the whole gradient (GPT-3: 1.0); 0: none."""
    document_masking: bool = False
    """Whether attention is kept inside documents. What uses the weights later has no such mask: the validation loss is
    measured both ways."""
    validation_tokens: Count = 1_048_576
    """From the beginning of the validation split; all of it where it is shorter."""
    spikes: SpikePolicy = SpikePolicy()
    """What happens to a step that is not a number, or far out."""

    validate_every: Count | None = None
    """(how) Steps; by default a twentieth of all, at most 1,000. The first and the last step are always validated."""
    checkpoint_every: Count | None = None
    """(how) Steps; by default as `validate_every`. The last step is always saved."""
    keep_checkpoints: Count = 2
    """(how) The newest ones; the one with the best validation loss is kept beside them."""
    micro_batch: Count | None = None
    """(how) Sequences that a rank takes at once; by default what memory holds. Changes rounding, not the batch."""
    recompute: Literal["auto", True, False] = "auto"
    """(how) Keep only each block's input for the backward pass: a third more time, most of the memory free. auto: on
    CUDA where memory asks for it."""
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """(how) Of the products; weights and sums stay fp32. auto: bf16 on CUDA, fp32 elsewhere."""
    compile: Literal["auto", True, False] = "auto"
    """(how) auto: on CUDA."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """(how) auto: CUDA where there is one."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """(how) Among ranks. ddp: each holds the whole network. fsdp: each holds a share of it (FSDP2)."""
    price_per_gpu_hour: NotNegative = 0.0
    """(how) In dollars, for the cost in plan and metrics."""

    def learning_rate_factor(self, step: int) -> float:
        """What the peak learning rate is multiplied with for the update after `step` updates."""
        return schedules.factor(
            step,
            kind=self.schedule or "cosine",
            steps=self.steps,
            warmup=self.warmup_steps or 0,
            decay_share=self.decay_share,
        )

    def filled_in(self, network: "GPT2Config") -> "TrainConfig":
        """The same with every default that depends on other keys put in."""
        fast = self.recipe == "fast"
        rare = min(1000, max(1, self.steps // 20))
        defaults: Mapping[str, Any] = {
            "model": Shape(layers=network.layers, heads=network.heads, width=network.width, context=network.context),
            "learning_rate": _learning_rate(network.parameters, fast=fast, begun=self.init_from is not None),
            "warmup_steps": min(256 if fast else 2000, self.steps // 10),
            "schedule": "wsd" if fast else "cosine",
            "validate_every": rare,
            "checkpoint_every": self.validate_every or rare,
        }
        return self.model_copy(update={key: value for key, value in defaults.items() if getattr(self, key) is None})


def sequences_per_step(batch_tokens: int, context: int) -> int:
    """How many sequences make up a step. Raises UserError where they are no whole number."""
    sequences, rest = divmod(batch_tokens, context)
    if rest:
        nearest = [count * context for count in (sequences, sequences + 1) if count]
        raise UserError(
            f"batch_tokens = {batch_tokens} is no multiple of the context of {context} tokens;"
            f" the nearest are {' and '.join(map(str, nearest))}."
        )
    return sequences


def _learning_rate(parameters: int, *, fast: bool, begun: bool) -> float:
    """Peaks of GPT-3's table 2.1 (Brown et al., 2020), up to its 125M, 350M, 760M and 1.3B, and higher for small ones.

    `fast` takes three times as much, as the records of modded-nanogpt do with a plateau; weights that are given are
    changed with a tenth.
    """
    table = ((3e6, 3e-3), (3e7, 1e-3), (2e8, 6e-4), (5e8, 3e-4), (1e9, 2.5e-4))
    peak = next((rate for limit, rate in table if parameters <= limit), 2e-4)
    return peak * (3 if fast else 1) * (0.1 if begun else 1)

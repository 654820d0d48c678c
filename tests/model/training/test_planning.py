import pytest
import torch
from torch import Tensor

from model.gpt2 import GPT2, PRESETS, GPT2Config
from model.training import gpus, planning
from model.training.gpus import GIB
from model.training.planning import Setup

SIZES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")


def saved_bytes(config: GPT2Config, sequences: int, *, recompute: bool, bf16: bool) -> tuple[int, int]:
    """What autograd keeps of a forward pass on this CPU: activations, and copies of weights; no logits in either."""
    network = GPT2(config, recompute=recompute)
    network.initialise()
    weights = {tuple(parameter.shape) for parameter in network.parameters()}
    weights |= {shape[::-1] for shape in weights}
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in parameters:
            kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    ids = torch.randint(0, config.vocabulary, (sequences, config.context))
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=bf16),
    ):
        loss = network.loss(ids, ids)  # noqa: F841 - what it keeps lives as long as it does
    logits = (sequences * config.context, config.padded_vocabulary)
    copies = [tensor for tensor in kept.values() if tuple(tensor.shape) in weights]
    others = [t for t in kept.values() if tuple(t.shape) not in weights and tuple(t.shape) != logits]
    return tuple(sum(tensor.untyped_storage().nbytes() for tensor in each) for each in (others, copies))  # type: ignore[return-value]


@pytest.mark.parametrize("bf16", [True, False])
@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(layers=2, heads=4, width=128, context=96, vocabulary=300),
        GPT2Config(layers=3, heads=2, width=64, context=160, vocabulary=400),
    ],
)
def test_activations_are_what_autograd_keeps(config: GPT2Config, bf16: bool) -> None:
    measured, copies = saved_bytes(config, 3, recompute=False, bf16=bf16)
    assert planning.activation_bytes(config, 3, recompute=False, bf16=bf16) == pytest.approx(measured, rel=0.02)
    if bf16:
        embedding = config.padded_vocabulary * config.width
        assert copies == 2 * (12 * config.layers * config.width**2 + embedding)


def test_recomputing_keeps_a_block_s_input_alone() -> None:
    config = GPT2Config(layers=8, heads=4, width=128, context=96, vocabulary=300)
    measured, _ = saved_bytes(config, 3, recompute=True, bf16=True)
    one_block = planning.activation_bytes(config, 3, recompute=True) - measured
    tokens = 3 * config.context
    assert one_block == pytest.approx(36 * tokens * config.width, rel=0.05)
    ratio = planning.activation_bytes(config, 3, recompute=False) / planning.activation_bytes(config, 3, recompute=True)
    assert ratio > 3.5


@pytest.mark.parametrize(("size", "flops"), list(zip(SIZES, (8.552e8, 2.425e9, 5.203e9, 1.028e10), strict=True)))
def test_flops_are_palm_s(size: str, flops: float) -> None:
    assert planning.flops_per_token(PRESETS[size]) == pytest.approx(flops, rel=5e-4)


def test_weights_gradients_and_optimizer_of_the_largest() -> None:
    config = PRESETS["gpt2-xl"]
    padded = config.parameters + 47 * 1600
    part = planning.memory(config, 1, recompute=True)
    assert (part.weights, part.gradients, part.optimizer) == (6 * padded, 4 * padded, 8 * padded)
    assert part.total == part.weights + part.gradients + part.optimizer + part.activations + part.logits
    fast = planning.memory(config, 1, recompute=True, setup=Setup(recipe="fast"))
    assert part.optimizer - fast.optimizer == 4 * 48 * 12 * 1600**2
    shared = planning.memory(config, 1, recompute=True, setup=Setup(shards=8))
    assert shared.optimizer == padded
    assert shared.total < 0.6 * part.total


def test_the_optimizer_s_state_is_as_large_as_planned() -> None:
    from model.training import optimizers

    config = GPT2Config(layers=2, heads=2, width=32, context=32, vocabulary=300)
    network = GPT2(config)
    network.initialise()
    for recipe in ("paper", "fast"):
        built = optimizers.build(network, recipe, learning_rate=1.0, weight_decay=0.0, device=torch.device("cpu"))
        held = sum(tensor.nbytes for name, tensor in built.state_tensors().items() if not name.endswith(".step"))
        assert held == planning.memory(config, 1, recompute=False, setup=Setup(recipe=recipe)).optimizer


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("recipe", ["paper", "fast"])
def test_every_size_fits_one_gpu_of_80_gb_without_recomputing(size: str, recipe: str) -> None:
    found = planning.fitting(PRESETS[size], gpus.named("A100").memory, setup=Setup(recipe=recipe))  # type: ignore[arg-type]
    assert found is not None
    sequences, recompute = found
    assert not recompute
    assert sequences >= 8


def test_smaller_gpus_get_smaller_micro_batches_then_recompute_then_nothing_fits() -> None:
    sizes = [planning.fitting(PRESETS["gpt2-large"], gib * GIB) for gib in (139, 79, 39, 15, 10)]
    assert sizes == [(32, False), (16, False), (8, False), (1, True), None]


def test_a_micro_batch_is_no_larger_than_a_rank_s_share() -> None:
    assert planning.fitting(PRESETS["gpt2"], 79 * GIB, at_most=6) == (4, False)
    assert planning.fitting(PRESETS["gpt2"], 79 * GIB, at_most=1) == (1, False)


def test_what_fits_is_the_most_that_fits() -> None:
    for size in SIZES:
        for gib in (23, 47, 79, 139):
            found = planning.fitting(PRESETS[size], gib * GIB)
            if found is None:
                continue
            room = (1 - planning.SPARE) * gib * GIB
            assert planning.memory(PRESETS[size], found[0], recompute=found[1]).total <= room
            if found[0] < planning.MOST_SEQUENCES:
                assert planning.memory(PRESETS[size], 2 * found[0], recompute=found[1]).total > room


def test_a_plan_adds_up_and_says_it() -> None:
    made = planning.plan(
        PRESETS["gpt2"],
        gpus.named("H100"),
        gpus=8,
        steps=20_000,
        batch_tokens=524_288,
        data_tokens=5_242_880_000,
        price_per_gpu_hour=2.5,
        mfu=0.5,
    )
    assert made.tokens == 10_485_760_000
    assert made.epochs == 2
    assert made.sequences == 64
    assert made.tokens_per_second == pytest.approx(8 * 989e12 * 0.5 / 8.5517e8, rel=1e-4)
    assert made.dollars == pytest.approx(made.seconds / 3600 * 8 * 2.5)
    text = "\n".join(made.lines())
    for expected in ("124439808", "124,439,808", "8 x H100", "0.855 billion a token", "2.00 epochs", "$", "50% MFU"):
        assert expected in text
    assert "TOO MUCH" not in text


def test_a_plan_that_does_not_fit_says_so() -> None:
    made = planning.plan(PRESETS["gpt2-xl"], gpus.named("L4"), steps=10, batch_tokens=524_288, micro_batch=64)
    assert not made.fits
    assert any("TOO MUCH" in line for line in made.lines())
    assert made.sequences == 64
    assert made.recompute


def test_what_is_configured_is_kept_and_the_rest_fitted() -> None:
    def planned(gpu: str, micro_batch: int | None, recompute: bool | None) -> tuple[int, bool]:
        made = planning.plan(
            PRESETS["gpt2-xl"],
            gpus.named(gpu),
            steps=1,
            batch_tokens=524_288,
            micro_batch=micro_batch,
            recompute=recompute,
        )
        return made.sequences, made.recompute

    assert planned("H100", None, None) == (8, False)
    assert planned("H100", None, True) == (64, True)
    assert planned("H100", 4, None) == (4, False)
    assert planned("H100", 32, None) == (32, True)
    assert planned("H100", 32, False) == (32, False)
    assert planned("A100 40GB", None, False) == (2, False)
    assert planned("L4", None, False) == (1, False)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (200000, "2 d 7 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert planning.duration(seconds) == text

import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.gpt2 import GPT2
from model.training import optimizers
from model.training.optimizers import Recipe
from tests.model.training import ranks
from webtext.errors import UserError

RECIPES: tuple[Recipe, ...] = ("paper", "fast")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more would only wait for one another
    yield
    torch.set_num_threads(threads)


def start_ranks(folder: Path, count: int, runs: Sequence[str]) -> None:
    """Several processes do some runs together; see `tests.model.training.ranks`."""
    (folder / "store").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.model.training.ranks"]
    root = Path(__file__).parents[3]
    processes = [
        subprocess.Popen([*command, str(rank), str(count), str(folder), *runs], cwd=root) for rank in range(count)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * count


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what two and three ranks made."""
    folder = tmp_path_factory.mktemp("ranks")
    whole = [f"{mode}-{recipe},{mode},{recipe},0,4," for mode in ("ddp", "fsdp") for recipe in RECIPES]
    parts = ["first,fsdp,fast,0,2,", "second,fsdp,fast,2,4,first-0", "changed,ddp,fast,2,4,first-0"]
    start_ranks(folder, 2, [*whole, *parts])
    start_ranks(folder, 3, ["three,fsdp,fast,2,4,first-0"])
    return folder


def same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-5, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}")  # type: ignore[misc]


def small(recipe: Recipe, learning_rate: float = 1e-2, weight_decay: float = 0.1) -> tuple[GPT2, optimizers.Optimizers]:
    network = ranks.new_network()
    return network, optimizers.build(
        network, recipe, learning_rate=learning_rate, weight_decay=weight_decay, device=torch.device("cpu")
    )


def test_paper_is_adamw_with_decay_on_matrices_and_embeddings_alone() -> None:
    network, optimizer = small("paper")
    reference = ranks.new_network()
    groups = [
        {"params": [p for p in reference.parameters() if p.ndim == 2], "weight_decay": 0.1},
        {"params": [p for p in reference.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    plain = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), eps=1e-8, foreach=False, fused=False)
    for step in range(3):
        for each, one in ((network, optimizer), (reference, plain)):
            ranks.set_gradients(each, step)
            one.step()
    for (name, parameter), other in zip(network.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-5, atol=1e-7, msg=name)


def test_fast_gives_the_matrices_of_blocks_to_muon_and_nothing_else() -> None:
    _, optimizer = small("fast")
    with_momentum = {name.removesuffix(".momentum") for name in optimizer.state_tensors() if name.endswith(".momentum")}
    of_blocks = ("attention.qkv", "attention.projection", "mlp.up", "mlp.down")
    assert with_momentum == {f"blocks.{layer}.{name}.weight" for layer in (0, 1) for name in of_blocks}
    assert {"tokens.weight.exp_avg", "positions.weight.exp_avg", "blocks.0.mlp.up.bias.exp_avg"} < set(
        optimizer.state_tensors()
    )


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_parameter_learns_and_padding_stays_zero(recipe: Recipe) -> None:
    network, optimizer = small(recipe)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    ids = torch.randint(0, 300, (4, 17), generator=torch.Generator().manual_seed(0))
    torch.autograd.backward(network.loss(ids[:, :-1], ids[:, 1:]))
    optimizer.step()
    for name, parameter in network.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    assert network.tokens.weight[300:].abs().max() == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_loss_falls(recipe: Recipe) -> None:
    network, optimizer = small(recipe, learning_rate=3e-3)
    ids = torch.randint(0, 300, (4, 17), generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(30):
        loss = network.loss(ids[:, :-1], ids[:, 1:])
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_learning_rates_follow_the_factor() -> None:
    network, optimizer = small("fast")
    optimizer.set_learning_rates(0.25)
    assert optimizer.learning_rate == 0.0025
    optimizer.set_learning_rates(0)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    ranks.set_gradients(network, 0)
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_zero_grad_forgets_all_gradients() -> None:
    network, optimizer = small("fast")
    ranks.set_gradients(network, 0)
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_loaded_state_goes_on_with_the_same_bits(recipe: Recipe) -> None:
    without_break = ranks.optimise(ranks.new_network(), recipe, 0, 6)
    first = ranks.optimise(ranks.new_network(), recipe, 0, 3)
    second = ranks.optimise(ranks.new_network(), recipe, 3, 6, saved=first)
    assert same_bits({**without_break, "norms": without_break["norms"][3:]}, second)


def test_a_state_before_the_first_step_is_whole() -> None:
    _, optimizer = small("fast")
    state = {name: tensor.clone() for name, tensor in optimizer.state_tensors().items()}
    assert all(tensor.abs().max() == 0 for tensor in state.values())
    optimizer.load_state_tensors(state)


def test_a_state_of_another_recipe_or_model_is_refused_and_changes_nothing() -> None:
    network, optimizer = small("paper")
    ranks.set_gradients(network, 0)
    optimizer.step()
    before = {name: tensor.clone() for name, tensor in optimizer.state_tensors().items()}
    with pytest.raises(UserError, match="another model or recipe"):
        optimizer.load_state_tensors(small("fast")[1].state_tensors())
    with pytest.raises(UserError, match=r"norm\.bias\.step"):
        optimizer.load_state_tensors({name: t for name, t in before.items() if name != "norm.bias.step"})
    odd = {name: tensor + 1 for name, tensor in before.items()} | {"tokens.weight.exp_avg": torch.zeros(2, 2)}
    with pytest.raises(UserError, match=r"tokens\.weight\.exp_avg has the shape \(2, 2\)"):
        optimizer.load_state_tensors(odd)
    assert same_bits(before, optimizer.state_tensors())


def test_clipping_returns_the_norm_before_and_scales_to_the_limit() -> None:
    network = ranks.new_network()
    ranks.set_gradients(network, 0)
    whole = torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])
    norm = optimizers.clip_gradients(network.parameters(), 0.5)
    clipped = torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])
    torch.testing.assert_close(norm, whole.norm())
    assert math.isclose(clipped.norm(), 0.5, rel_tol=1e-4)


def test_clipping_leaves_small_gradients_and_those_without_limit() -> None:
    network = ranks.new_network()
    for limit in (1e9, 0.0):
        ranks.set_gradients(network, 0)
        before = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
        optimizers.clip_gradients(network.parameters(), limit)
        after = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_clipping_shows_what_is_not_finite(value: float) -> None:
    network = ranks.new_network()
    ranks.set_gradients(network, 0)
    gradient = network.blocks[1].mlp.down.bias.grad  # type: ignore[union-attr]
    assert isinstance(gradient, Tensor)
    gradient[3] = value
    assert not torch.isfinite(optimizers.clip_gradients(network.parameters(), 1.0))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_two_ranks_do_what_one_does(together: Path, recipe: Recipe, mode: str) -> None:
    one, other = (load_file(together / f"{mode}-{recipe}-{rank}.safetensors") for rank in (0, 1))
    assert same_bits(one, other)
    assert_close(ranks.optimise(ranks.new_network(), recipe, 0, 4), one)


def test_a_sharded_run_goes_on_with_the_same_bits(together: Path) -> None:
    unbroken = load_file(together / "fsdp-fast-0.safetensors")
    second = load_file(together / "second-0.safetensors")
    assert same_bits({**unbroken, "norms": unbroken["norms"][2:]}, second)


def test_a_run_goes_on_with_other_ranks_and_another_sharing(together: Path) -> None:
    unbroken = load_file(together / "fsdp-fast-0.safetensors")
    unbroken["norms"] = unbroken["norms"][2:]
    for name in ("changed-0", "changed-1", "three-0", "three-2"):
        assert_close(unbroken, load_file(together / f"{name}.safetensors"))
    alone = ranks.optimise(ranks.new_network(), "fast", 2, 4, load_file(together / "first-0.safetensors"))
    assert_close(unbroken, alone)

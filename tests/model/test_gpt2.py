"""The network: its size, its beginning, what each position sees, its loss, and its cache."""

import contextlib
import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model import cross_entropy, gpt2
from model.gpt2 import GPT2, PRESETS, Cache, GPT2Config
from tests.model.conftest import perturbed
from webtext.errors import UserError

SMALL = GPT2Config(layers=2, heads=2, width=32, context=32, vocabulary=300)


def ids(batch: int = 2, time: int = 32, config: GPT2Config = SMALL, seed: int = 1) -> Tensor:
    return torch.randint(config.vocabulary, (batch, time), generator=torch.Generator().manual_seed(seed))


def plain_loss(network: GPT2, tokens: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    logits = network(tokens).float().flatten(0, 1)
    loss = F.cross_entropy(logits, targets.flatten(), reduction=reduction)
    return loss.view_as(targets) if reduction == "none" else loss


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("gpt2", 124_439_808),
        ("gpt2-medium", 354_823_168),
        ("gpt2-large", 774_030_080),
        ("gpt2-xl", 1_557_611_200),
    ],
)
def test_the_four_sizes_have_exactly_their_parameters(name: str, count: int) -> None:
    config = PRESETS[name]
    with torch.device("meta"):
        network = GPT2(config)
    padding = (config.padded_vocabulary - config.vocabulary) * config.width
    assert sum(parameter.numel() for parameter in network.parameters()) - padding == count
    assert config.parameters == count
    assert (config.padded_vocabulary, config.width // config.heads) == (50304, 64)


def test_a_newcomer_reads_the_file_in_one_sitting() -> None:
    assert len(inspect.getsource(gpt2).splitlines()) < 300


@pytest.mark.parametrize("wrong", [{"width": 33}, {"layers": 0}, {"vocabulary": 0}, {"heads": -1}, {"context": 0}])
def test_an_impossible_shape_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        GPT2Config(**{"layers": 2, "heads": 2, "width": 32, **wrong})


def test_initial_weights_are_those_of_the_released_code() -> None:
    config = GPT2Config(layers=8, heads=4, width=256, context=512, vocabulary=1000)
    network = GPT2(config)
    network.initialise(torch.Generator().manual_seed(0))
    block: Any = network.blocks[3]
    expected: dict[Any, float] = {
        network.tokens: 0.02,
        network.positions: 0.01,
        block.attention.qkv: 0.02,
        block.mlp.up: 0.02,
        block.attention.projection: 0.02 / 4,
        block.mlp.down: 0.02 / 4,
    }
    for module, std in expected.items():
        weight = module.weight[: config.vocabulary] if module is network.tokens else module.weight
        assert weight.std().item() == pytest.approx(std, rel=0.03)
        assert abs(weight.mean().item()) < std / 20
    assert not network.tokens.weight[config.vocabulary :].any()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif "norm" in name:
            assert (parameter == 1).all()


def test_a_seed_gives_the_same_weights_wherever_the_network_was_made() -> None:
    with torch.device("meta"):
        late = GPT2(SMALL)
    late.to_empty(device="cpu").initialise(torch.Generator().manual_seed(5))
    early = GPT2(SMALL)
    early.initialise(torch.Generator().manual_seed(5))
    other = GPT2(SMALL)
    other.initialise(torch.Generator().manual_seed(6))
    assert all(torch.equal(a, b) for a, b in zip(early.parameters(), late.parameters(), strict=True))
    assert not torch.equal(early.tokens.weight, other.tokens.weight)


@pytest.mark.parametrize("changed", [0, 1, 15, 31])
def test_no_position_sees_what_comes_after_it(changed: int) -> None:
    network, before = perturbed(SMALL), ids(1)
    after = before.clone()
    after[0, changed] = (after[0, changed] + 1) % SMALL.vocabulary
    differs = (network(before) - network(after)).abs().amax(dim=-1)[0] > 1e-6
    assert differs.tolist() == [position >= changed for position in range(32)]


def test_attention_stays_inside_documents_where_they_are_told() -> None:
    network, tokens = perturbed(SMALL), ids(2)
    documents = torch.tensor([[7] * 10 + [8] * 22, [0] * 32])
    masked = network(tokens, documents=documents)
    torch.testing.assert_close(masked[1], network(tokens)[1])
    torch.testing.assert_close(masked[0, :10], network(tokens)[0, :10])
    assert (masked[0, 10:] - network(tokens)[0, 10:]).abs().max() > 1e-3

    tokens[0, :10] = (tokens[0, :10] + 1) % SMALL.vocabulary
    again = network(tokens, documents=documents)
    torch.testing.assert_close(again[0, 10:], masked[0, 10:])


def test_a_document_counts_its_positions_on() -> None:
    network, tokens = perturbed(SMALL), ids(1)
    documents = torch.tensor([[0] * 10 + [1] * 22])
    alone = tokens[:, 10:]
    x = network.tokens(alone) + network.positions(torch.arange(10, 32))
    for block in network.blocks:
        x = block(x)
    torch.testing.assert_close(network(tokens, documents=documents)[:, 10:], network.logits(network.norm(x)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("left_out", [False, True])
def test_the_loss_and_its_gradients_are_those_of_plain_cross_entropy(
    reduction: str, left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "CACHED_NUMBERS", 3000)  # a few rows at once, and a rest
    network, tokens, targets = perturbed(SMALL, scale=0.1), ids(3), ids(3, seed=2)
    if left_out:
        targets[0, :7] = targets[2, 31] = cross_entropy.IGNORED
    weigh = torch.linspace(-1, 2, targets.numel()).view_as(targets) if reduction == "none" else 3.0
    expected = plain_loss(network, tokens, targets, reduction)
    (expected * weigh).sum().backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in network.parameters()]
    network.zero_grad()
    loss = network.loss(tokens, targets, reduction=reduction)
    (loss * weigh).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-4)


def test_padding_takes_no_probability_and_gets_no_gradient() -> None:
    network, tokens = perturbed(SMALL), ids()
    with torch.no_grad():
        network.tokens.weight[300:] = 50  # would win every time
    network.loss(tokens, tokens).backward()  # type: ignore[no-untyped-call]
    gradient = network.tokens.weight.grad
    assert gradient is not None
    assert not gradient[300:].any()
    assert gradient[:300].any()
    assert network(tokens).shape == (2, 32, 300)
    torch.testing.assert_close(network.loss(tokens, tokens), plain_loss(network, tokens, tokens))


def test_the_loss_is_fp32_and_close_in_bf16() -> None:
    network, tokens = perturbed(SMALL, scale=0.05), ids()
    exact = network.loss(tokens, tokens)
    with torch.autocast("cpu", torch.bfloat16):
        loss = network.loss(tokens, tokens)
        without_gradients = network.eval().requires_grad_(False).loss(tokens, tokens)
    assert loss.dtype == without_gradients.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=5e-3)
    assert without_gradients.item() == pytest.approx(loss.item(), rel=1e-5)


def test_a_second_backward_pass_through_a_loss_is_an_error() -> None:
    network, tokens = perturbed(SMALL), ids()
    loss = network.loss(tokens, tokens)
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("documents", [None, torch.arange(32).div(9, rounding_mode="floor").expand(2, 32)])
def test_forward_and_loss_compile_into_one_graph(documents: Tensor | None) -> None:
    network, tokens = perturbed(SMALL), ids()
    compiled: Callable[..., Any] = torch.compile(network.loss, fullgraph=True, backend="aot_eager", dynamic=False)
    expected = network.loss(tokens, tokens, documents=documents)
    expected.backward()  # type: ignore[no-untyped-call]
    gradient = network.positions.weight.grad
    network.zero_grad()
    loss = compiled(tokens, tokens, documents=documents)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(network.positions.weight.grad, gradient, atol=1e-5, rtol=1e-4)


def test_recomputing_changes_no_gradient() -> None:
    tokens = ids()
    gradients = []
    for recompute in (False, True):
        network = GPT2(SMALL, recompute=recompute)
        network.initialise(torch.Generator().manual_seed(0))
        network.loss(tokens, tokens).backward()  # type: ignore[no-untyped-call]
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True) if a is not None and b is not None)


def cache_for(network: GPT2, batch: int) -> Cache:
    return Cache(network.config, batch, device=torch.device("cpu"), dtype=torch.float32)


@settings(max_examples=15)
@given(st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=6))
def test_reading_in_pieces_with_a_cache_gives_the_same_logits(pieces: list[int]) -> None:
    network = perturbed(SMALL)
    tokens = ids(2, min(32, sum(pieces)))
    cache = cache_for(network, 2)
    logits, at = [], 0
    for piece in pieces:
        if at < tokens.shape[1]:
            logits.append(network(tokens[:, at : at + piece], cache=cache))
            at += piece
    torch.testing.assert_close(torch.cat(logits, dim=1), network(tokens), atol=1e-4, rtol=1e-4)


def test_rows_of_unequal_length_read_on_as_if_each_were_alone() -> None:
    network, tokens = perturbed(SMALL), ids(3)
    lengths = [4, 11, 7]
    cache = cache_for(network, 3)
    padded = tokens[:, :11].clone()
    for row, length in enumerate(lengths):
        padded[row, length:] = 299
    network(padded, cache=cache)
    cache.lengths = list(lengths)
    for step in range(20):
        new = torch.stack([tokens[row, lengths[row] + step] for row in range(3)])[:, None]
        logits = network(new, cache=cache)
        for row, length in enumerate(lengths):
            alone = network(tokens[row : row + 1, : length + step + 1])[:, -1:]
            torch.testing.assert_close(logits[row : row + 1], alone, atol=1e-4, rtol=1e-4)


def test_a_row_begins_anew_in_its_own_memory() -> None:
    network, tokens = perturbed(SMALL), ids(2)
    cache = cache_for(network, 2)
    network(tokens, cache=cache)
    network(tokens[:1, 20:], cache=cache.row(1))
    cache.lengths = [20, 12]
    logits = network(tokens[:, 20:21], cache=cache)
    torch.testing.assert_close(logits[:1], network(tokens[:1, :21])[:, -1:], atol=1e-4, rtol=1e-4)
    again = torch.cat([tokens[:1, 20:], tokens[1:, 20:21]], dim=1)
    torch.testing.assert_close(logits[1:], network(again)[:, -1:], atol=1e-4, rtol=1e-4)


def test_heads_that_are_no_power_of_two_and_a_single_row_of_padding() -> None:
    config = GPT2Config(layers=1, heads=25, width=100, context=16, vocabulary=63)
    network, tokens = perturbed(config), ids(2, 16, config)
    assert config.padded_vocabulary == 64
    torch.testing.assert_close(network.loss(tokens, tokens), plain_loss(network, tokens, tokens))


def test_a_fresh_network_knows_nothing() -> None:
    network = GPT2(SMALL)
    network.initialise(torch.Generator().manual_seed(0))
    assert network.loss(ids(), ids(seed=9)).item() == pytest.approx(math.log(300), abs=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("lower", [False, True])
def test_compiled_on_a_gpu_with_documents(lower: bool) -> None:
    config = GPT2Config(layers=2, heads=2, width=128, context=256, vocabulary=300)
    network = perturbed(config, scale=0.05).cuda()
    tokens = ids(4, 256, config).cuda()
    documents = torch.arange(256, device="cuda").div(50, rounding_mode="floor").expand(4, 256).contiguous()
    expected = network.loss(tokens, tokens, documents=documents)
    compiled: Callable[..., Any] = torch.compile(network.loss, fullgraph=True, dynamic=False)
    with torch.autocast("cuda", torch.bfloat16) if lower else contextlib.nullcontext():
        loss = compiled(tokens, tokens, documents=documents)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=2e-2 if lower else 1e-4)

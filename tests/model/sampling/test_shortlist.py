"""The shortlist leaves no token out that could be chosen, whatever the numbers are, and gives the same texts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.gpt2 import GPT2, GPT2Config
from model.sampling import shortlist
from model.sampling.choosing import Choice
from model.sampling.generating import Generation
from model.sampling.shortlist import Shortlist, shortlist_of

VOCABULARY, WIDTH = 500, 48


def exact(weight: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return (weight.double() @ hidden[0].double()).float()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([1, 2, 40, VOCABULARY]),
    weights=st.sampled_from([1e-30, 0.02, 1.0, 1e6]),
    outlier=st.sampled_from([1.0, 300.0]),
    shift=st.sampled_from([0.0, 5.0]),
    vocabulary=st.sampled_from([None, 1, 300, VOCABULARY]),
)
def test_none_of_the_largest_is_left_out(
    seed: int, count: int, weights: float, outlier: float, shift: float, vocabulary: int | None
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = (torch.randn(VOCABULARY, WIDTH, generator=generator) + shift) * weights
    hidden = torch.randn(1, WIDTH, generator=generator)
    hidden[0, 7] *= outlier
    ids, logits = Shortlist(weight)(hidden, count, vocabulary)
    expected = exact(weight, hidden)[:vocabulary]
    assert ids.tolist() == sorted(set(ids.tolist()))
    torch.testing.assert_close(logits, expected[ids], rtol=1e-4, atol=float(expected.abs().max()) * 1e-4)
    largest = expected.topk(min(count, len(expected))).indices
    assert set(largest.tolist()) <= set(ids.tolist())


def test_neighbours_that_bf16_cannot_tell_apart_are_all_on_it() -> None:
    weight = torch.ones(VOCABULARY, WIDTH) * torch.linspace(0.5, 1, VOCABULARY)[:, None]
    weight[100:103] = 1.5
    weight[101, 0] += 2.0**-12  # less than bf16 has at 1.5
    ids, logits = Shortlist(weight)(torch.ones(1, WIDTH), 1)
    assert {100, 101, 102} <= set(ids.tolist())
    assert ids[logits.argmax()] == 101
    assert len(ids) < VOCABULARY / 4


def test_equals_are_all_on_it() -> None:
    ids, logits = Shortlist(torch.ones(VOCABULARY, WIDTH))(torch.ones(1, WIDTH), 3)
    assert ids.tolist() == list(range(VOCABULARY))
    assert logits.tolist() == [WIDTH] * VOCABULARY


def test_numbers_that_are_none_give_what_the_whole_head_gives() -> None:
    ids, logits = Shortlist(torch.randn(VOCABULARY, WIDTH))(torch.full((1, WIDTH), torch.nan), 3)
    assert len(ids) == VOCABULARY
    assert logits.isnan().all()


@pytest.mark.parametrize("choice", [Choice(temperature=0), Choice(top_k=40), Choice(top_k=5, top_p=0.8)], ids=str)
def test_the_texts_are_the_same(choice: Choice) -> None:
    network = GPT2(GPT2Config(layers=1, heads=2, width=32, context=64, vocabulary=400)).eval()
    network.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.tokens.weight.mul_(20)  # logits far enough apart to be told apart,
        network.positions.weight.mul_(200)  # and others at every place

    def text(own: Shortlist | None) -> list[int]:
        generation = Generation(network, [[1, 2, 3]], choice, seed=3, shortlist=own)
        return [generation.step(390)[0] for _ in range(50)]

    said = text(Shortlist(network.tokens.weight.detach()))
    assert said == text(None)
    assert len(set(said)) > 1


def test_it_is_made_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    network = GPT2(GPT2Config(layers=1, heads=2, width=32, context=8, vocabulary=400))
    assert shortlist_of(network) is None
    monkeypatch.setattr(shortlist, "FEWEST_NUMBERS", 1)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert shortlist_of(network) is not None
    assert shortlist_of(network.bfloat16()) is None
    assert shortlist_of(network.to("meta")) is None

"""Which token comes next, against a slow reference that does what the words say."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from model.sampling.choosing import Choice, choose, probabilities
from webtext.errors import UserError

LOGITS = st.lists(
    st.one_of(st.sampled_from([-3.0, 0.0, 0.5, 2.0]), st.floats(-20, 20, width=32)), min_size=1, max_size=12
)
CHOICES = st.builds(
    Choice,
    temperature=st.one_of(st.just(0.0), st.floats(0.05, 5)),
    top_k=st.integers(0, 15),
    top_p=st.one_of(st.just(1.0), st.floats(0.05, 1)),
)


def reference(logits: Sequence[float], choice: Choice) -> list[float]:
    """One row, by plain arithmetic: temperature, then top-k, then top-p; equals stand or fall together."""
    if choice.temperature == 0:
        best = [index for index, logit in enumerate(logits) if logit == max(logits)]
        return [1 / len(best) if index in best else 0.0 for index in range(len(logits))]
    # In fp32, in which logits that hardly differ are equals.
    below = np.array(logits, np.float32) - np.float32(max(logits))
    scaled: list[float] = (below / np.float32(choice.temperature)).tolist()
    kept = sorted(scaled, reverse=True)[: choice.top_k or len(logits)]
    weights = [math.exp(x) if x >= kept[-1] else 0.0 for x in scaled]
    shares = [weight / math.fsum(weights) for weight in weights]
    if choice.top_p < 1:
        reached, least = 0.0, 0.0
        for share in sorted(shares, reverse=True):
            if reached < choice.top_p:
                least = share
            reached += share
            assume(abs(reached - choice.top_p) > 1e-5)  # where rounding decides
        near = [share for share in shares if share != least and math.isclose(share, least, rel_tol=1e-4)]
        assume(not near)
        shares = [share if share >= least else 0.0 for share in shares]
    total = math.fsum(shares)
    return [share / total for share in shares]


@given(LOGITS, CHOICES)
@example([0.0, 0.5, 0.5, 3.4e-33], Choice(top_k=3))
def test_probabilities_are_those_of_the_slow_reference(logits: list[float], choice: Choice) -> None:
    expected = reference(logits, choice)
    found = probabilities(torch.tensor([logits]), choice)[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert found.sum().item() == pytest.approx(1, abs=1e-5)


@given(LOGITS, CHOICES, st.floats(0, 1, exclude_max=True))
def test_the_drawn_number_chooses_by_cumulative_probability(logits: list[float], choice: Choice, draw: float) -> None:
    row = torch.tensor([logits])
    token = int(choose(row, choice, torch.tensor([draw], dtype=torch.float64))[0])
    shares = probabilities(row, choice)[0].double()
    assert shares[token] > 0
    if choice.temperature == 0:
        assert logits[token] == max(logits)
    else:
        total = shares.sum().item()
        assert shares[:token].sum().item() <= draw * total + 1e-9
        assert shares[: token + 1].sum().item() >= draw * total - 1e-9


@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6), min_size=1, max_size=4), CHOICES)
def test_a_row_does_not_depend_on_its_neighbours(rows: list[list[float]], choice: Choice) -> None:
    draws = torch.linspace(0.1, 0.9, len(rows), dtype=torch.float64)
    together = choose(torch.tensor(rows), choice, draws)
    for index, row in enumerate(rows):
        assert choose(torch.tensor([row]), choice, draws[index : index + 1])[0] == together[index]


def test_frequencies_are_the_probabilities() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -9.0]])
    choice = Choice(temperature=0.8, top_k=4, top_p=0.97)
    draws = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = torch.bincount(choose(logits.expand(20_000, 5), choice, draws), minlength=5) / 20_000
    torch.testing.assert_close(counts, probabilities(logits, choice)[0], atol=0.01, rtol=0)
    assert counts[4] == 0


@pytest.mark.parametrize("temperature", [1e-30, 1e-3, 1e30])
def test_no_temperature_overflows(temperature: float) -> None:
    shares = probabilities(torch.tensor([[300.0, -300.0, 299.0]]), Choice(temperature=temperature))
    assert shares.isfinite().all()
    assert shares.sum().item() == pytest.approx(1)


def test_half_precision_logits_are_compared_as_fp32() -> None:
    assert probabilities(torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16), Choice()).dtype == torch.float32


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"top_k": -1}, "top-k"),
        ({"top_p": 0.0}, "top-p"),
        ({"top_p": 1.1}, "top-p"),
        ({"top_p": math.nan}, "top-p"),
    ],
)
def test_what_has_no_meaning_is_refused(wrong: dict[str, float], name: str) -> None:
    with pytest.raises(UserError, match=name):
        Choice(**wrong)  # type: ignore[arg-type]

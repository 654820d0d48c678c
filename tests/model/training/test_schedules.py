import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training.schedules import Kind, factor

KINDS: tuple[Kind, ...] = ("cosine", "wsd")
kinds = st.sampled_from(KINDS)
lengths = st.integers(1, 300)
warmups = st.integers(0, 400)
shares = st.floats(0, 1)
floors = st.one_of(st.none(), st.floats(0, 1))


@given(kinds, lengths, warmups, shares, floors, st.integers(0, 1000))
def test_a_factor_lies_between_nothing_and_the_peak(
    kind: Kind, steps: int, warmup: int, share: float, floor: float | None, step: int
) -> None:
    assert 0 <= factor(step, kind=kind, steps=steps, warmup=warmup, decay_share=share, floor=floor) <= 1


@given(kinds, lengths, st.data(), shares, floors)
def test_it_rises_then_falls_and_ends_at_the_floor(
    kind: Kind, steps: int, data: st.DataObject, share: float, floor: float | None
) -> None:
    warmup = data.draw(st.integers(0, steps))
    values = [
        factor(step, kind=kind, steps=steps, warmup=warmup, decay_share=share, floor=floor) for step in range(steps + 1)
    ]
    top = values.index(max(values))
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    low = floor if floor is not None else {"cosine": 0.1, "wsd": 0.0}[kind]
    assert math.isclose(values[-1], low, abs_tol=1e-12)


def test_warm_up_is_a_line_whose_first_step_moves() -> None:
    values = [factor(step, kind="cosine", steps=100, warmup=4) for step in range(5)]
    assert values == [0.25, 0.5, 0.75, 1, 1]


def test_cosine_is_half_way_down_in_the_middle() -> None:
    assert math.isclose(factor(60, kind="cosine", steps=110, warmup=10), (1 + 0.1) / 2)


def test_wsd_is_flat_and_then_a_line_to_zero() -> None:
    values = [factor(step, kind="wsd", steps=100, warmup=10, decay_share=0.2) for step in range(101)]
    assert set(values[9:81]) == {1.0}
    assert all(math.isclose(values[80 + i], 1 - i / 20) for i in range(20))
    assert values[100] == 0
    assert values[99] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_end_it_stays(kind: Kind) -> None:
    assert factor(500, kind=kind, steps=100, warmup=10) == factor(100, kind=kind, steps=100, warmup=10)


def test_a_warm_up_that_meets_the_decay_is_cut_short() -> None:
    values = [factor(step, kind="wsd", steps=10, warmup=10, decay_share=0.5) for step in range(11)]
    assert values[4] == 0.5
    assert max(values) < 1

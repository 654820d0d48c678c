import json
import math

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training import spikes
from model.training.spikes import Decision, SpikePolicy, SpikeState

SMALL = SpikePolicy(window=8, threshold=6, patience=3, rollbacks=1)


def after(steps: list[tuple[float, float]], policy: SpikePolicy = SMALL) -> tuple[list[Decision], SpikeState]:
    state, decisions = spikes.initial(), []
    for loss, norm in steps:
        verdict, state = spikes.judge(state, loss, norm, policy)
        decisions.append(verdict.decision)
    return decisions, state


USUAL = [(3.0 + 0.01 * (at % 3), 1.0 + 0.1 * (at % 2)) for at in range(8)]
numbers = st.floats(allow_nan=True, allow_infinity=True)


def test_one_nan_is_skipped_and_told_and_the_run_goes_on() -> None:
    _, state = after(USUAL)
    verdict, state = spikes.judge(state, math.nan, 1.0, SMALL)
    assert verdict == (Decision.SKIP, "the loss is nan")
    assert state["skipped_in_a_row"] == 1
    verdict, state = spikes.judge(state, 3.0, math.inf, SMALL)
    assert verdict == (Decision.SKIP, "the gradient norm is inf")
    verdict, state = spikes.judge(state, 3.0, 1.0, SMALL)
    assert verdict.decision is Decision.APPLY
    assert state["skipped_in_a_row"] == 0


def test_nan_is_skipped_from_the_first_step_on() -> None:
    assert after([(math.nan, 1.0), (3.0, math.nan)])[0] == [Decision.SKIP, Decision.SKIP]


def test_many_in_a_row_roll_back_and_at_last_stop() -> None:
    bad = [(math.nan, math.nan)] * 3
    decisions, state = after([*USUAL, *bad])
    assert decisions[-3:] == [Decision.SKIP, Decision.SKIP, Decision.ROLL_BACK]
    _, saved = after(USUAL[:5])
    state = spikes.rolled_back(saved, state)
    assert state == {**saved, "rollbacks": 1}
    for loss, norm in bad:
        verdict, state = spikes.judge(state, loss, norm, SMALL)
    assert verdict.decision is Decision.STOP
    assert verdict.reason == "3 steps in a row were skipped, the last because the loss is nan"


def test_a_rollback_counts_from_the_run_not_from_the_checkpoint() -> None:
    now: SpikeState = {**spikes.initial(), "rollbacks": 4, "skipped_in_a_row": 3}
    assert spikes.rolled_back({**spikes.initial(), "rollbacks": 1}, now)["rollbacks"] == 5


def test_a_spike_in_either_number_is_skipped_and_told() -> None:
    _, state = after(USUAL)
    verdict, _ = spikes.judge(state, 9.0, 1.0, SMALL)
    assert verdict.decision is Decision.SKIP
    assert "the loss 9 is " in verdict.reason
    assert "deviations above 3.0" in verdict.reason
    assert spikes.judge(state, 3.0, 50.0, SMALL)[0].reason.startswith("the gradient norm 50 is ")


def test_a_fall_is_no_spike() -> None:
    _, state = after(USUAL)
    assert spikes.judge(state, 0.5, 0.01, SMALL)[0].decision is Decision.APPLY


def test_before_the_window_is_full_no_finite_number_is_refused() -> None:
    assert set(after([*USUAL[:7], (1e30, 1e30)])[0]) == {Decision.APPLY}


def test_skipped_steps_do_not_move_the_statistics() -> None:
    _, state = after(USUAL)
    _, skipped = spikes.judge(state, 9.0, 1.0, SMALL)
    assert (skipped["losses"], skipped["grad_norms"]) == (state["losses"], state["grad_norms"])


def test_a_flat_loss_does_not_make_everything_a_spike() -> None:
    _, state = after([(3.0, 1.0)] * 8)
    assert spikes.judge(state, 3.01, 1.005, SMALL)[0].decision is Decision.APPLY
    assert spikes.judge(state, 3.1, 1.0, SMALL)[0].decision is Decision.SKIP


def test_a_threshold_of_nothing_turns_the_statistics_off_but_not_the_guard() -> None:
    policy = SpikePolicy(window=8, threshold=0)
    _, state = after(USUAL, policy)
    assert spikes.judge(state, 1e9, 1e9, policy)[0].decision is Decision.APPLY
    assert spikes.judge(state, math.nan, 1.0, policy)[0].decision is Decision.SKIP


@given(st.lists(st.tuples(numbers, numbers), max_size=60))
@settings(max_examples=50)
def test_any_run_keeps_finite_statistics_within_the_window_and_survives_json(steps: list[tuple[float, float]]) -> None:
    decisions, state = after(steps)
    for values in (state["losses"], state["grad_norms"]):
        assert len(values) <= SMALL.window
        assert all(math.isfinite(value) for value in values)
    assert len(state["losses"]) == min(SMALL.window, decisions.count(Decision.APPLY))
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert orjson.loads(orjson.dumps(state)) == state
    for (loss, norm), decision in zip(steps, decisions, strict=True):
        assert decision is not Decision.APPLY or (math.isfinite(loss) and math.isfinite(norm))


@given(st.lists(st.tuples(numbers, numbers), max_size=40), st.integers(0, 40))
@settings(max_examples=50)
def test_a_run_continued_from_its_saved_state_decides_alike(steps: list[tuple[float, float]], at: int) -> None:
    whole, end = after(steps)
    first, state = after(steps[:at])
    state = json.loads(json.dumps(state))
    second = []
    for loss, norm in steps[at:]:
        before = json.dumps(state)
        verdict, following = spikes.judge(state, loss, norm, SMALL)
        assert json.dumps(state) == before
        second.append(verdict.decision)
        state = following
    assert [*first, *second] == whole
    assert state == end

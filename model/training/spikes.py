"""What to do with a step whose loss or gradient is not a number, or far above what was usual: a pure state machine.

The statistics are those of OLMo's SkipStepOptimizer and llm.c's outlier detector: mean and deviation over the last 128
good steps, and a step falls out when it lies six deviations above the mean. All ranks see the same global loss and norm
and so decide alike, without a word between them.
"""

import enum
import math
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from webtext.settings import Section

LEAST_RELATIVE_DEVIATION = 1e-3
"""A loss that hardly varies makes any step look like an outlier; deviations below this share of the mean are raised."""


class SpikePolicy(Section):
    """When a step's update is skipped, and when skipping is given up."""

    window: int = 128
    """Good steps that make up the statistics; before there are so many, only NaN and infinity are refused."""
    threshold: float = 6.0
    """Deviations above the mean of the window at which a step is skipped; 0 turns the statistics off."""
    patience: int = 10
    """So many skipped steps in a row end in a return to the last checkpoint."""
    rollbacks: int = 2
    """So many returns a run may make; then it stops."""


class Decision(enum.Enum):
    """What the loop does with a step's gradients."""

    APPLY = "apply"
    SKIP = "skip"
    ROLL_BACK = "roll back"
    STOP = "stop"


class Verdict(NamedTuple):
    """A decision and, unless it is to apply, the clause that tells a person why."""

    decision: Decision
    reason: str = ""


class SpikeState(TypedDict):
    """What the machine remembers: numbers alone, equal after a round trip through JSON."""

    losses: list[float]
    grad_norms: list[float]
    skipped_in_a_row: int
    rollbacks: int


def initial() -> SpikeState:
    """Nothing seen."""
    return {"losses": [], "grad_norms": [], "skipped_in_a_row": 0, "rollbacks": 0}


def judge(
    state: SpikeState, loss: float, grad_norm: float, policy: SpikePolicy | None = None
) -> tuple[Verdict, SpikeState]:
    """Decide on one step from its mean loss and gradient norm (before clipping); returns the state after it.

    The given state is left as it is. After `ROLL_BACK` continue from `rolled_back(...)`, not from the returned state.
    """
    policy = policy or SpikePolicy()
    reason = _objection("loss", loss, state["losses"], policy) or _objection(
        "gradient norm", grad_norm, state["grad_norms"], policy
    )
    if not reason:
        return Verdict(Decision.APPLY), {
            **state,
            "losses": _latest(state["losses"], loss, policy.window),
            "grad_norms": _latest(state["grad_norms"], grad_norm, policy.window),
            "skipped_in_a_row": 0,
        }
    skipped = state["skipped_in_a_row"] + 1
    after: SpikeState = {**state, "skipped_in_a_row": skipped}
    if skipped < policy.patience:
        return Verdict(Decision.SKIP, reason), after
    reason = f"{skipped} steps in a row were skipped, the last because {reason}"
    if state["rollbacks"] < policy.rollbacks:
        return Verdict(Decision.ROLL_BACK, reason), after
    return Verdict(Decision.STOP, reason), after


def rolled_back(saved: SpikeState, now: SpikeState) -> SpikeState:
    """The state to go on with after a return to a checkpoint: its statistics, and one more return on the count."""
    return {**saved, "skipped_in_a_row": 0, "rollbacks": now["rollbacks"] + 1}


def _latest(values: Sequence[float], value: float, window: int) -> list[float]:
    return [*values, value][-window:]


def _objection(what: str, value: float, usual: Sequence[float], policy: SpikePolicy) -> str:
    if not math.isfinite(value):
        return f"the {what} is {value}"
    if policy.threshold <= 0 or len(usual) < policy.window:
        return ""
    mean = sum(each / len(usual) for each in usual)
    deviation = math.hypot(*(each - mean for each in usual)) / math.sqrt(len(usual))
    deviation = max(deviation, LEAST_RELATIVE_DEVIATION * abs(mean))
    if value - mean <= policy.threshold * deviation:
        return ""
    above = (value - mean) / deviation if deviation else math.inf
    return f"the {what} {value:.4g} is {above:.1f} deviations above {mean:.4g}, the mean of {len(usual)} good steps"

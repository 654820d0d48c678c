"""The learning rate over a run, as a factor of its peak: warm-up, then a cosine, or a plateau with a linear end."""

import math
from typing import Literal

Kind = Literal["cosine", "wsd"]

COSINE_FLOOR = 0.1
"""Where a cosine ends, as in GPT-3 (Brown et al., 2020, appendix B): a tenth of the peak."""


def factor(
    step: int, *, kind: Kind, steps: int, warmup: int, decay_share: float = 0.2, floor: float | None = None
) -> float:
    """What the peak learning rate is multiplied with for the update that follows `step` updates.

    step: updates made so far, 0 to `steps`; at `steps` the schedule has reached its floor exactly, and stays there.
    warmup: updates of a linear rise; the first one moves already, the last one has the full rate.
    kind: `cosine` falls from the end of the warm-up to the end of the run (Loshchilov and Hutter, 2017); `wsd` (warmup,
    stable, decay: Hu et al., MiniCPM, 2024) stays at the peak and falls in a line over the last `decay_share` of the
    steps.
    floor: where it ends; by default 0.1 for `cosine` and 0 for `wsd`.
    """
    rise = min(1.0, (step + 1) / warmup) if warmup > 0 else 1.0
    if kind == "cosine":
        low = COSINE_FLOOR if floor is None else floor
        done = _share(step - warmup, steps - warmup)
        return min(rise, low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)
    low = 0.0 if floor is None else floor
    decay_steps = max(1, round(decay_share * steps))
    return min(rise, 1 - (1 - low) * _share(step - (steps - decay_steps), decay_steps))


def _share(done: int, whole: int) -> float:
    return min(1.0, max(0.0, done / whole)) if whole > 0 else float(done >= 0)

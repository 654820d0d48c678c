"""Time, which tests bring their own of."""

import dataclasses
import time
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Clock:
    """now: seconds since 1970. sleep: wait for seconds."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

"""Ctrl-C and SIGTERM while training: the step in hand is finished and saved first; a second signal stops at once."""

import contextlib
import signal
import threading
import time
import types
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONE_WISH_SECONDS = 1.0
"""A terminal signals torchrun and its ranks, and torchrun signals the ranks again: within so short a time it is one."""


class Stop:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.asked_at = 0.0

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.number is not None


@contextlib.contextmanager
def asked_politely() -> Iterator[Stop]:
    """Note the first signal instead of raising wherever the program is; hand a later one to whoever had them before."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: types.FrameType | None) -> None:
        if not stop.requested:
            stop.number, stop.asked_at = number, time.monotonic()
        elif time.monotonic() - stop.asked_at > ONE_WISH_SECONDS:
            earlier = before[signal.Signals(number)]
            if callable(earlier):
                earlier(number, frame)

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

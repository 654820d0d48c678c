"""Looks at a crawl now and then: whether it should stop, and what there is to tell."""

import asyncio
import math
from collections.abc import Callable

from pipeline import progress
from pipeline.fetch.live.hosts import Hosts
from pipeline.fetch.live.statistics import Statistics, survey
from pipeline.fetch.live.working import StoppedError
from pipeline.ledger import Stage
from pipeline.progress import Standing

STOP_SECONDS = 0.5
"""Between two looks."""
TELL_SECONDS = 30.0
"""Between two lines of the log, where nobody in this process watches."""
SURVEY_SECONDS = 2.0
"""The least between two looks over all hosts."""
SURVEY_SHARE = 0.01
"""Of the time may go to them."""


class Watch:
    """For the loop in which the crawl runs."""

    def __init__(
        self,
        hosts: Hosts,
        statistics: Statistics,
        stopping: Callable[[], bool],
        in_flight: Callable[[], int],
        workers: int,
    ) -> None:
        """Get ready. in_flight: tells how many requests are; workers: the most that could be."""
        self._hosts = hosts
        self._statistics = statistics
        self._stopping = stopping
        self._in_flight = in_flight
        self._workers = workers

    async def run(self) -> None:
        """Go on until the task is cancelled. Raises StoppedError when the crawl is asked to stop."""
        now = asyncio.get_running_loop().time
        told, looked, cost = now(), -math.inf, 0.0
        while True:
            await asyncio.sleep(STOP_SECONDS)
            if self._stopping():
                raise StoppedError
            watched, due = progress.watched(), now() - told >= TELL_SECONDS
            if due or (watched and now() - looked >= max(SURVEY_SECONDS, cost / SURVEY_SHARE)):
                began = now()
                self._statistics.left = await survey(self._hosts.lanes.values(), now)
                looked, cost = now(), now() - began
            if watched:
                progress.tell(Stage.PAGES, self._standing())
            elif due:
                progress.log_standing(Stage.PAGES, self._standing())
            told = now() if due else told

    def _standing(self) -> Standing:
        return self._statistics.standing(self._in_flight(), self._workers)

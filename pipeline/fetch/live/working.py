"""Work of several tasks in one loop: it ends when all is done, when some of it fails, or when nobody waits for it."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

Work = Coroutine[Any, Any, None]


class StoppedError(Exception):
    """Nobody waits for the work any more."""


async def together(work: Sequence[Work]) -> None:
    """Until all of it is done; when some of it fails, the rest is not waited for."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _end(tasks)


async def watched(work: Work, watch: Work) -> None:
    """Until the work is done, or either of them fails; a watch goes on until it is ended, or raises StoppedError."""
    tasks = [asyncio.ensure_future(each) for each in (work, watch)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await _end(tasks)


async def _end(tasks: "Sequence[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

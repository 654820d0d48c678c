"""Work that may hang or crash in C code, done by child processes that may be killed.

A `Sandbox` keeps a few child processes, each with one thread, a memory limit and a deadline for every item. Whatever
an item does to its child, the caller gets one verdict for it, every other item is unharmed, and the pool goes on:

    with Sandbox(task, Limits(workers=2)) as sandbox:
        for key, verdict in sandbox.map(items):
            match verdict:
                case Done(value): ...
                case TimedOut() | Crashed() | Raised(): ...

A task that returns an iterator is asked by `Sandbox.stream`, which hands out its values as they come.

The task is anything that pickles by reference to an importable module: a function, a `functools.partial`, an instance
of a frozen dataclass with `__call__`. Children start clean (never a fork of the caller) and do not look at the
caller's `__main__`, so a pool can be made in a Beam worker, a notebook or a one-liner. A verdict does not depend on
the child that reached it: all have the same `PYTHONHASHSEED`, and an item that brought its child down is tried once
more in a fresh one before it is called `Crashed`.

It bounds accidents and hostile input, not a hostile task: children have the rights of the user who started them.
"""

from pipeline.sandbox.leases import lease
from pipeline.sandbox.pool import Lane, Sandbox
from pipeline.sandbox.streams import Stream, StreamBrokenError
from pipeline.sandbox.verdicts import Crashed, Done, Limits, Raised, SandboxError, TimedOut, Verdict, cores

__all__ = [
    "Crashed",
    "Done",
    "Lane",
    "Limits",
    "Raised",
    "Sandbox",
    "SandboxError",
    "Stream",
    "StreamBrokenError",
    "TimedOut",
    "Verdict",
    "cores",
    "lease",
]

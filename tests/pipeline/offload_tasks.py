"""Tasks for children to take over. A module of its own, because children import it."""

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

from webtext.errors import UserError


@dataclasses.dataclass(frozen=True)
class Count:
    """A number -> its process, below zero, and as many numbers from `start`; leaves a file for each call."""

    folder: str
    start: int = 0

    def __call__(self, most: int) -> Iterator[int]:
        """Count."""
        Path(self.folder, f"{most}-{os.getpid()}-{time.monotonic_ns()}").touch()
        yield -os.getpid()
        yield from range(self.start, self.start + most)


def wait_for(path: str) -> Iterator[str]:
    """Be busy until a file is there."""
    while not Path(path).exists():
        time.sleep(0.01)
    yield path


def refuse(name: str) -> Iterator[str]:
    """Raise what the user can mend, behind a value."""
    yield name
    raise UserError(f"cannot read {name}; mend it.")


def read(path: str) -> Iterator[bytes]:
    """Raise what the system raises."""
    yield Path(path).read_bytes()


def stumble(_: int) -> Iterator[int]:
    """Raise what a fault in the code raises."""
    numbers: dict[str, int] = {}
    yield numbers["not there"]


def die(status: int) -> Iterator[int]:
    """Bring the process down."""
    if status:
        os._exit(status)
    yield status


def warm_up() -> None:
    """Leave a trace that a task can see."""
    os.environ["WARM"] = str(os.getpid())


def is_warm(_: int) -> Iterator[bool]:
    """Whether the process that asks was warmed up."""
    yield os.environ.get("WARM") == str(os.getpid())

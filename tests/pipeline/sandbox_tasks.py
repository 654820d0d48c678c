"""What the sandbox's tests make children do. A module of its own, because children import it."""

import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn


class UnpicklableError(Exception):
    """An exception with a lock in it, whose words raise too."""

    def __init__(self) -> None:
        self.lock = open(os.devnull)  # noqa: SIM115, PTH123

    def __str__(self) -> NoReturn:
        raise OSError("no words")


class BreaksOnArrival:
    """A value that can be pickled and not be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("not a number",)


def act(order: tuple[str, Any]) -> Any:
    """Do what a test asks for: (verb, argument)."""
    verb, argument = order
    return globals()[f"_{verb}"](argument)


def _echo(value: Any) -> Any:
    return value


def _length(value: bytes) -> int:
    return len(value)


def _pid(_: Any) -> int:
    return os.getpid()


def _nap(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def _naps(count: int) -> str:
    for _ in range(count):
        time.sleep(0.1)
    return "awake"


def _touch(path: str) -> None:
    Path(path).touch()
    time.sleep(0.05)


def _spin(seconds: float) -> str:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "dizzy"


def _hang_in_c(_: Any) -> Any:
    return re.match(r"(a+)+$", "a" * 64 + "b")


def _segfault(_: Any) -> Any:
    return ctypes.string_at(0)


def _kill_self(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(10)


def _exit(status: int) -> None:
    os._exit(status)


def _system_exit(status: int) -> None:
    sys.exit(status)


def _exit_once(path: str) -> str:
    """Die the first time, answer the second."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return "second try"
    os._exit(9)


def _hog(count: int) -> int:
    return len(bytearray(count))


def _answer_bytes(count: int) -> bytes:
    return b"x" * count


def _raise_value_error(message: str) -> None:
    raise ValueError(message)


def _raise_unpicklable(_: Any) -> None:
    raise UnpicklableError


def _recurse(depth: int) -> int:
    return _recurse(depth + 1)


def _unpicklable_value(_: Any) -> Any:
    return lambda: None


def _breaks_on_arrival(_: Any) -> Any:
    return BreaksOnArrival()


def _shout(count: int) -> str:
    for _ in range(count):
        print("shout " * 200)  # noqa: T201
        print("shriek " * 200, file=sys.stderr)  # noqa: T201
    return "hoarse"


def _hash(text: str) -> int:
    return hash(text)


def _order(words: list[str]) -> list[str]:
    return list(set(words))


def _circumstances(_: Any) -> dict[str, Any]:
    import resource

    return {
        "address space": resource.getrlimit(resource.RLIMIT_AS)[0],
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "oom score": int(Path("/proc/self/oom_score_adj").read_text()) if sys.platform == "linux" else 1000,
        "threads": len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1,  # noqa: PTH208
        "omp": os.environ["OMP_NUM_THREADS"],
        "sigint": signal.getsignal(signal.SIGINT),
        "descriptors": len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0,  # noqa: PTH208
        "modules": sorted(sys.modules),
    }


def _count(most: int) -> Iterator[int]:
    yield from range(most)


def _lengths(sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield bytes(size)


def _answer_then_wait_for(path: str) -> Iterator[str]:
    yield "before"
    while not Path(path).exists():
        time.sleep(0.01)
    yield "after"


def _fall_after(values: int) -> Iterator[int]:
    yield from range(values)
    time.sleep(0.1)  # what was written is read before the death is seen
    os._exit(9)


def _raise_after(values: int) -> Iterator[int]:
    yield from range(values)
    raise ValueError("no more of them")


def negative(number: int) -> int:
    """The simplest task."""
    return -number


def warm_up() -> None:
    """Leave a trace that a task can see."""
    os.environ["WARM"] = "yes"


def _is_warm(_: Any) -> str:
    return os.environ.get("WARM", "no")


def warm_up_badly() -> None:
    """Fail as a missing library would."""
    raise ImportError("no such parser")


def warm_up_greedily() -> None:
    """Take more memory than tests allow, as a parser with large tables would."""
    bytearray(2 * 1024**3)


def warm_up_and_die() -> None:
    """Fail as a broken library would."""
    print("libparser is for another machine", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(7)

"""The `webtext` command as a child process: its progress goes to a log; what remains is its result, or why it failed.

Knows nothing of Airflow.
"""

import contextlib
import dataclasses
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
USER_ERROR = 2
"""The exit code for what a person must mend: trying again would change nothing."""

Say = Callable[[int, str], None]
"""Takes a level of `logging` and a line."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended; `reason` is its last word of error."""

    code: int
    result: str
    reason: str


class Child:
    """A command that has been started, in a session of its own.

    directory: where it works. variables: its whole environment. grace: seconds that it has to save when told to stop.
    """

    def __init__(
        self, command: Sequence[str], directory: str, variables: Mapping[str, str], grace: float = 600
    ) -> None:
        self.stopped = False
        self._process = subprocess.Popen(  # noqa: S603 - no shell, and the command is the deployment's own
            [sys.executable, "-I", str(GUARD), str(grace), *command],
            cwd=directory,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def wait(self, say: Say) -> Ended:
        """Tell what it tells, until it ends."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        result: list[str] = []
        # Both pipes are read all the time: a command whose output nobody takes would wait for ever.
        reader = threading.Thread(target=result.extend, args=(self._process.stdout,), daemon=True)
        reader.start()
        reason = last = ""
        for line in self._process.stderr:
            level, message = read_line(line.rstrip("\n"))
            if message.strip():
                say(level, message)
                last = message.strip().splitlines()[-1]
            if level >= logging.ERROR:
                reason = message
        code = self._process.wait()
        reader.join()
        for line in result:
            say(logging.INFO, line.rstrip("\n"))
        return Ended(code, "".join(result).strip(), reason or last)

    def stop(self) -> None:
        """Tell it to save and end; it is told once, however often this is called."""
        self.stopped = True
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()


def read_line(line: str) -> tuple[int, str]:
    """Level and text of a line of `--log-format json`; what is none of these lines is passed on as it is."""
    try:
        entry = json.loads(line)
        level, message = logging.getLevelNamesMapping()[entry["level"].upper()], str(entry["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return logging.INFO, line
    return level, "\n".join(filter(None, [message, entry.get("traceback")]))

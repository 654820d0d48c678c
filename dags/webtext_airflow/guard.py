"""Runs a command that must not outlive whoever started this, and must be told only once that it shall end.

    guard.py GRACE COMMAND...

Standard input is a pipe that whoever started this holds open. When it closes, be it on purpose or because that process
was killed, the command gets SIGTERM, saves what it has and ends. A second signal would make it end at once, so none is
sent: only after GRACE seconds all that is left is killed. Signals that Airflow sends to process groups do not arrive
here, since this begins a session of its own.

The exit code is the command's, 128 + N where signal N killed it.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the command to its end."""
    grace, *command = arguments
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - it is given by the process that started this
    threading.Thread(target=_end_with_the_pipe, args=(process, float(grace)), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_with_the_pipe(process: "subprocess.Popen[bytes]", grace: float) -> None:
    while os.read(0, 1024):  # a thread inside sys.stdin would stand in the way of the interpreter's end
        pass
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

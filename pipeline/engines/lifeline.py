"""A process that ends with the one that starts it, however that one ends (on Linux)."""

import os
import signal
import sys

_UNTIL_PARENT_DIES = """\
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(sys.argv[2]))  # PR_SET_PDEATHSIG: it stays when the program takes this process over
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[3], sys.argv[3:])
"""


def ended_by(death: signal.Signals) -> tuple[str, ...]:
    """What to put before a command line, to have this signal sent to its process when this one is gone.

    Linux goes by the thread that starts the process, so that thread must stay for as long.
    """
    return (sys.executable, "-I", "-S", "-c", _UNTIL_PARENT_DIES, str(os.getpid()), str(int(death)))

"""A training run that is killed with SIGKILL again and again, and goes on each time; prints what it was doing.

`python -m tests.integration.killing OUTPUT TOKENS KILLS SEED`. The children are forked from a process that has imported
everything, so that a kill costs its own time only. Half of the kills wait for a save to begin; the others come at
random moments, some of them while the run is still being taken up. At last it is left alone.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from model.training.metrics import Metrics
from tests.model.training.runs import config_of, train

STEPS = 300
LONGEST_SECONDS = 60.0


def begin(output: Path, tokens: Path) -> int:
    """A child that goes on with the run; returns its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(config_of(output, tokens, steps=STEPS, recipe="fast", validate_every=50))
            code = 0
        finally:
            os._exit(code)
    return child


def await_save(output: Path, child: int, patience: float) -> None:
    """Come back when a checkpoint is being written, has been for `patience` seconds, or the child has ended."""
    end = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < end and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if any((output / "checkpoints").glob("_temporary.step-????????")):
            time.sleep(patience)
            return


def leftovers(output: Path) -> str:
    """What a kill interrupted, by what it left."""
    names = [path.name for path in (output / "checkpoints").glob("_temporary.*")]
    if not names:
        return "training"
    return "removing" if all(name.endswith(".removed") for name in names) else "saving"


def main() -> None:
    output, tokens, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    Metrics(output).close()  # imports TensorBoard once and for all children
    choice = random.Random(seed)
    doing: Counter[str] = Counter()
    while doing.total() < kills:
        child = begin(output, tokens)
        if doing.total() % 2:
            await_save(output, child, choice.uniform(0, 0.004))
        else:
            time.sleep(choice.uniform(0, 0.8))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"the run ended with {os.waitstatus_to_exitcode(status)} before kill {doing.total() + 1}")
        doing[leftovers(output)] += 1
    _, status = os.waitpid(begin(output, tokens), 0)
    sys.stdout.write(" ".join(f"{what}={count}" for what, count in sorted(doing.items())) + "\n")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()

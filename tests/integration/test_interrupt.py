"""Stopped in the middle: Ctrl-C, SIGTERM, a second command in the same place."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import SAMPLE, Webtext, begun
from tests.integration.shards import shards

SECONDS_TO_COME_SO_FAR = 60
SECONDS_TO_STOP = 20


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + SECONDS_TO_COME_SO_FAR
    while not condition():
        assert process.poll() is None, "the command was done before it could be stopped"
        assert time.monotonic() < end
        time.sleep(0.01)


def members_of(session: int) -> list[psutil.Process]:
    """The processes that a command, which began this session, has left behind."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session:
                found.append(process)
    return found


@pytest.mark.parametrize(
    ("number", "stage", "code", "words"),
    [
        (signal.SIGINT, "documents", 130, "stopped; "),
        (signal.SIGTERM, "documents", 143, "terminated; "),
        (signal.SIGTERM, "duplicates", 143, "terminated; "),
    ],
)
def test_a_signal_is_one_sentence_and_the_same_command_goes_on(
    tmp_path: Path, webtext: Webtext, sample_run: Path, number: signal.Signals, stage: str, code: int, words: str
) -> None:
    """Sent when the stage has begun."""
    run = tmp_path / "run"
    with begun(run) as process:
        wait_until((run / stage).exists, process)
        process.send_signal(number)
        printed, said = process.communicate(timeout=SECONDS_TO_STOP)
        assert process.returncode == code, said
    assert printed == ""
    assert said.splitlines()[-1] == f"error: {words}the same command goes on where this run ended."
    assert "Traceback" not in said
    assert psutil.wait_procs(members_of(process.pid), timeout=10)[1] == []
    assert not list(run.rglob("_temporary.*"))
    assert not (run / "corpus" / "_SUCCESS").exists()
    done = webtext(*SAMPLE, "--set", f"output={run}")
    assert done.returncode == 0, done.stderr
    assert shards(run) == shards(sample_run)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which signals a process catches")
def test_a_signal_while_the_command_still_loads_is_a_sentence_too(tmp_path: Path) -> None:
    with begun(tmp_path / "run") as process:
        wait_until(lambda: catches(process.pid, signal.SIGTERM), process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS_TO_STOP)
        assert process.returncode == 130, said
    assert said.endswith("stopped; the same command goes on where this run ended.\n")
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def catches(pid: int, number: signal.Signals) -> bool:
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_ctrl_c_at_a_terminal_goes_to_the_children_too(tmp_path: Path) -> None:
    """The terminal signals the whole group, and twice when a person is impatient."""
    run = tmp_path / "run"
    with begun(run) as process:
        wait_until((run / "documents").exists, process)
        group = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for _ in range(2):
            for member in group:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, said = process.communicate(timeout=SECONDS_TO_STOP)
        assert process.returncode == 130, said
    assert "Traceback" not in said
    assert psutil.wait_procs(group[1:], timeout=10)[1] == []


def test_a_second_command_in_the_same_place_is_refused(tmp_path: Path, webtext: Webtext, sample_run: Path) -> None:
    run = tmp_path / "run"
    with begun(run) as process:
        wait_until((run / "links").exists, process)
        process.send_signal(signal.SIGSTOP)  # else it may be done before the second has begun
        second = webtext(*SAMPLE, "--set", f"output={run}")
        process.send_signal(signal.SIGCONT)
        assert second.returncode == 2, second.stderr
        assert second.stderr == f"error: another webtext works in {run}; wait for its end or choose another output.\n"
        assert second.stdout == ""
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert shards(run) == shards(sample_run)

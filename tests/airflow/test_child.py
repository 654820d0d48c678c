"""Commands as children: what they say, why they fail, and that they do not outlive their parent."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from webtext_airflow.child import Child, Ended, read_line

from tests.airflow.conftest import CHECKOUT

SAVES = """
import signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(time.monotonic()))
open({ready!r}, "w").close()
while not asked:
    time.sleep(0.01)
time.sleep({seconds})
open({saved!r}, "w").write(str(len(asked)))
sys.exit(143)
"""


NOTHING = json.dumps({"level": "error", "message": "no file matches."})


def ended(program: str, folder: Path, said: list[tuple[int, str]] | None = None) -> Ended:
    child = Child([sys.executable, "-c", program], str(folder), os.environ)
    return child.wait(lambda level, line: said.append((level, line)) if said is not None else None)


def wait_for(path: Path, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} does not appear"
        time.sleep(0.01)


@pytest.fixture
def saving(tmp_path: Path) -> tuple[list[str], Path, Path]:
    """A command that takes a second to save, and two files: it is ready, it has saved."""
    ready, saved = tmp_path / "ready", tmp_path / "saved"
    return [sys.executable, "-c", SAVES.format(ready=str(ready), saved=str(saved), seconds=1)], ready, saved


def test_progress_is_told_and_the_result_kept(tmp_path: Path) -> None:
    line = json.dumps({"level": "warning", "message": "a broken record"})
    said: list[tuple[int, str]] = []
    found = ended(
        f"import sys; print('runs/x/corpus'); sys.stderr.write({line + chr(10)!r}); print('é')", tmp_path, said
    )
    assert found == Ended(0, "runs/x/corpus\né", "a broken record")
    assert said[0] == (logging.WARNING, "a broken record")
    assert (logging.INFO, "runs/x/corpus") in said


def test_much_on_both_pipes_stops_nobody(tmp_path: Path) -> None:
    program = (
        "import sys\nfor n in range(20000): sys.stdout.write('o' * 99 + '\\n'); sys.stderr.write('e' * 99 + '\\n')"
    )
    said: list[tuple[int, str]] = []
    found = ended(program, tmp_path, said)
    assert (found.code, len(found.result.splitlines()), len(said)) == (0, 20000, 40000)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    found = ended("import sys; sys.stderr.buffer.write(b'\\xff\\x00'); sys.stdout.buffer.write(b'\\xfe')", tmp_path)
    assert found.code == 0
    assert found.result == "�"


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [
        (f"import sys; print({NOTHING!r}, file=sys.stderr); sys.exit(2)", 2, "no file matches."),
        ("raise RuntimeError('the machine is ill')", 1, "RuntimeError: the machine is ill"),
        ("import os; os.kill(os.getpid(), 9)", 137, ""),
        ("import os; os.abort()", 134, ""),
    ],
)
def test_why_it_failed(tmp_path: Path, program: str, code: int, reason: str) -> None:
    found = ended(program, tmp_path)
    assert (found.code, found.reason) == (code, reason)


def test_an_error_stays_the_reason_whatever_is_said_after_it(tmp_path: Path) -> None:
    """torchrun tells a long story after its ranks' own sentence."""
    line = json.dumps({"level": "error", "message": "tokens: no such folder."})
    assert (
        ended(f"import sys; sys.exit({line!r} + '\\nSignal story\\n  of torchrun')", tmp_path).reason
        == "tokens: no such folder."
    )


@pytest.mark.parametrize(
    "line", ["", "plain", "{", "[]", "3", "null", '{"level": "x", "message": "y"}', '{"level": 3}']
)
def test_lines_of_others_are_passed_on(line: str) -> None:
    assert read_line(line) == (logging.INFO, line)


def test_a_traceback_comes_along() -> None:
    line = json.dumps({"level": "error", "message": "it broke", "traceback": "Traceback\n  here"})
    assert read_line(line) == (logging.ERROR, "it broke\nTraceback\n  here")


def test_told_to_stop_it_saves_and_is_told_once(saving: tuple[list[str], Path, Path], tmp_path: Path) -> None:
    command, ready, saved = saving
    child = Child(command, str(tmp_path), os.environ)

    def stop() -> None:
        wait_for(ready)
        for _ in range(3):
            child.stop()
            time.sleep(0.1)

    threading.Thread(target=stop).start()
    assert child.wait(lambda *_: None).code == 143
    assert saved.read_text() == "1"


def test_who_does_not_end_is_killed_with_all_its_children(tmp_path: Path) -> None:
    program = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(subprocess.Popen(['sleep', '300']).pid, flush=True); open('ready', 'w').close(); time.sleep(300)"
    )
    child = Child([sys.executable, "-c", program], str(tmp_path), os.environ, grace=0.5)
    threading.Thread(target=lambda: (wait_for(tmp_path / "ready"), child.stop())).start()
    found = child.wait(lambda *_: None)
    assert found.code != 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(found.result))
        assert psutil.wait_procs([process], timeout=10)[0] or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_saves_and_ends_when_its_parent_is_killed(
    saving: tuple[list[str], Path, Path], tmp_path: Path, how: signal.Signals
) -> None:
    """A worker that is out of memory leaves nobody behind who would hold the run directory against the next try."""
    command, ready, saved = saving
    program = (
        "import os, sys; from webtext_airflow.child import Child;"
        f"Child({command!r}, {str(tmp_path)!r}, os.environ).wait(print)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT / "dags", start_new_session=True)
    wait_for(ready)
    os.killpg(parent.pid, how)  # as Airflow's supervisor does, the whole group
    parent.wait()
    wait_for(saved)
    assert saved.read_text() == "1"


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    child = Child([str(tmp_path / "none" / "webtext"), "corpus"], str(tmp_path), os.environ)
    found = child.wait(lambda *_: None)
    assert found.code != 0
    assert "webtext" in found.reason

"""The template's one step on Beam's local runner, with commands that are processes of their own."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import psutil
import pytest

from pipeline.config import Runner
from pipeline.engines import lifeline
from pipeline.runners import new_pipeline
from pipeline.template import driver
from pipeline.template.driver import COMMAND, Drive, RunFailedError, attempt
from tests.conftest import CHECKOUT

SAMPLE = ("--config", str(CHECKOUT / "configs" / "corpus" / "sample.yaml"))
PATIENCE_SECONDS = 30


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.chdir(CHECKOUT)
    caplog.set_level(logging.DEBUG, "webtext")


def drive(*command: str, pause: float = 0) -> None:
    with new_pipeline(Runner()) as pipeline:
        pipeline | beam.Impulse() | beam.ParDo(Drive(command, pause))


def script(*lines: str) -> tuple[str, ...]:
    return sys.executable, "-c", "\n".join(lines)


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def gone(process: psutil.Process) -> bool:
    return soon(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_the_command_is_run_to_its_end_and_what_it_says_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drive(*COMMAND, *SAMPLE, "--set", f"output={tmp_path}", "--until", "links")
    assert (tmp_path / "links" / "_SUCCESS").is_file()
    said = [record for record in caplog.records if record.getMessage().startswith("links  ")]
    assert [(record.levelname, record.name) for record in said] == [("INFO", "webtext")]
    assert f"{tmp_path}/links" in caplog.messages  # its result


def test_a_failure_is_the_commands_last_sentence(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RunFailedError, match=r"^--set: unknown key harvest\.min_carma: did you mean min_karma\?"):
        drive(*COMMAND, *SAMPLE, "--set", "harvest.min_carma=1")
    assert [record.levelname for record in caplog.records if record.name == "webtext"] == ["ERROR"]


def test_a_defect_is_told_by_the_last_line_of_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert attempt(script("1 / 0")) == "ZeroDivisionError: division by zero"
    assert any(message.startswith("Traceback") for message in caplog.messages)


def test_what_is_said_after_the_complaint_does_not_hide_it() -> None:
    lines = [
        {"level": "error", "logger": "webtext", "message": "why"},
        {"level": "info", "logger": "l", "message": "b"},
    ]
    assert attempt(script(*(f"print({json.dumps(line)!r})" for line in lines), "raise SystemExit(2)")) == "why"
    assert attempt(script("raise SystemExit(3)")) == "it said nothing"


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ('{"level": "warning", "logger": "webtext", "message": "a 100 %s"}', "WARNING", "a 100 %s"),
        ('{"level": "error", "logger": "x", "message": "m", "traceback": "T\\nE"}', "ERROR", "m\nT\nE"),
        (
            '{"level": "loud", "logger": "x", "message": "m"}',
            "INFO",
            '{"level": "loud", "logger": "x", "message": "m"}',
        ),
        ("[1]", "INFO", "[1]"),
        ("100 %s, ünïcode", "INFO", "100 %s, ünïcode"),
    ],
)
def test_a_line_keeps_its_level(line: str, level: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        driver.hand_on(line)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [(level, message)]


def test_a_killed_command_is_told_with_what_it_said_before() -> None:
    killed = script("import os", "print('links', flush=True)", "os.kill(os.getpid(), 9)")
    with pytest.raises(RunFailedError, match=r"^the command was killed by signal 9 \(Killed\); before that: links"):
        drive(*killed)


ACTIVE_TWICE = """\
import sys
from pathlib import Path

from pipeline import runners
from pipeline.config import Runner
from pipeline.engines import dataflow
from webtext import command

class DataflowJobAlreadyExistsError(Exception): ...

starts, execute = Path(sys.argv[1]), runners.execute

def refuse_twice(build, *_):
    with starts.open("a") as file:
        file.write("x")
    if starts.stat().st_size < 3:
        raise DataflowJobAlreadyExistsError("There is already active job named webtext-1-links with id: 7.")
    execute(build, Runner())

runners.execute, dataflow.check = refuse_twice, lambda *_: None
sys.exit(command.main(["corpus", "--log-format", "json", *sys.argv[2:]]))
"""
"""The command, with a Dataflow that is this process, and at first has a job of an earlier attempt."""


def test_the_end_of_an_active_job_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The whole way of the sentence: Beam's error, the stages, the command's log, the driver."""
    starts, run = tmp_path / "starts", tmp_path / "run"
    options = (
        "--set",
        f"output={run}",
        "--set",
        "runner.name=dataflow",
        "--until",
        "links",
        "--temp_location=gs://b/t",
    )
    drive(*script(ACTIVE_TWICE), str(starts), *SAMPLE, *options, pause=0.1)
    assert starts.read_text() == "xxx"
    assert (run / "links" / "_SUCCESS").is_file()
    waits = [message for message in caplog.messages if message.startswith("an earlier attempt's job is still active")]
    assert len(waits) == 2


def test_the_command_does_not_outlive_the_worker(tmp_path: Path) -> None:
    """Whether the worker is told to stop or is killed, the command is told, and can go in order."""
    told = tmp_path / "told"
    command = script(
        "import pathlib, signal, sys, time",
        f"def leave(*_): pathlib.Path({str(told)!r}).touch(); sys.exit(143)",
        "signal.signal(signal.SIGTERM, leave)",
        "print('ready', flush=True)",
        "time.sleep(60)",
    )
    for death in (signal.SIGTERM, signal.SIGKILL):
        told.unlink(missing_ok=True)
        with _worker(command) as worker:
            assert worker.stdout is not None
            assert b"ready\n" in iter(worker.stdout.readline, b"")
            (child,) = psutil.Process(worker.pid).children(recursive=True)
            worker.send_signal(death)
            worker.wait()
        assert gone(child)
        assert told.exists()


def test_the_real_command_goes_with_the_worker_too(tmp_path: Path) -> None:
    with _worker((*COMMAND, *SAMPLE, "--set", f"output={tmp_path / 'run'}")) as worker:
        assert soon((tmp_path / "run" / "links").is_dir)
        children = psutil.Process(worker.pid).children(recursive=True)
        assert children
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    for child in children:
        assert gone(child)
    assert not (tmp_path / "run" / "corpus" / "_SUCCESS").exists()


def test_work_that_is_broken_off_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(line: str) -> tuple[int, str]:
        raise KeyboardInterrupt(line)

    monkeypatch.setattr(driver, "hand_on", broken_off)
    with pytest.raises(KeyboardInterrupt) as caught:
        attempt(script("import os, time", "print(os.getpid(), flush=True)", "time.sleep(60)"))
    assert not psutil.pid_exists(int(str(caught.value)))


def test_a_process_whose_parent_is_gone_before_it_begins_does_nothing(tmp_path: Path) -> None:
    line = [*lifeline.ended_by(signal.SIGTERM), *script(f"open({str(tmp_path / 'begun')!r}, 'w')")]
    line[line.index(str(os.getpid()))] = "1"
    assert subprocess.run(line, check=False).returncode == 0
    assert not (tmp_path / "begun").exists()


def _worker(command: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    """A process with a thread that drives a command, as a Beam worker has, and hands on what it says."""
    lines = (
        "import logging, sys, threading",
        "from pipeline.template.driver import attempt",
        "logging.basicConfig(format='%(message)s', level=logging.INFO, stream=sys.stdout, force=True)",
        f"thread = threading.Thread(target=attempt, args=({command!r},))",
        "thread.start()",
        "thread.join()",
    )
    return subprocess.Popen(script(*lines), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=CHECKOUT)

"""A job server from its start to its end, with a small Python program in its place."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline import engines
from pipeline.config import Runner
from pipeline.engines.engine import Options
from pipeline.engines.job_server import JobServer
from webtext.errors import UserError

LISTEN = "import socket, sys, time; s = socket.create_server(('localhost', int(sys.argv[1])));"


class Program:
    """A command that listens and then does what it is told."""

    name = "Toy"

    def __init__(self, then: str) -> None:
        self._program = LISTEN + then

    def check(self) -> None:
        pass

    def line(self, port: int, scratch: Path) -> Iterator[str]:
        yield from (sys.executable, "-S", "-c", self._program, str(port), str(scratch))

    def options(self, scratch: Path) -> Options:
        return {"toy": scratch.name}


def process_of(server: JobServer) -> psutil.Process:
    assert server._process is not None
    return psutil.Process(server._process.pid)


def test_it_is_there_when_beam_is_told_of_it_and_gone_afterwards(tmp_path: Path) -> None:
    server = JobServer(
        Program("open(sys.argv[2] + '/spilt', 'w').close(); print('busy', flush=True); time.sleep(60)"), tmp_path
    )
    try:
        options = server.options()
        process = process_of(server)
        assert options["toy"] == "scratch"
        assert str(options["job_endpoint"]).startswith("localhost:")
        assert server.obituary(interrupted=True) is None
    finally:
        server.close()
    assert not process.is_running()
    assert [path.name for path in tmp_path.iterdir()] == ["job-server.log"]
    assert (tmp_path / "job-server.log").read_text() == "busy\n"


def test_nothing_is_started_before_it_is_needed(tmp_path: Path) -> None:
    JobServer(Program(""), tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    for words in ("first", "second"):
        server = JobServer(Program(f"print('{words}', flush=True); time.sleep(60)"), tmp_path)
        server.options()
        time.sleep(0.1)
        server.close()
    assert (tmp_path / "job-server.1.log").read_text() == "first\n"
    assert (tmp_path / "job-server.log").read_text() == "second\n"


def test_one_that_does_not_start_is_a_sentence_with_its_last_words(tmp_path: Path) -> None:
    server = JobServer(Program("raise SystemExit('java.lang.NoClassDefFoundError: Kryo')"), tmp_path)
    server._command._program = server._command._program.removeprefix(LISTEN)  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"did not start \(exit code 1: java.lang.NoClassDefFoundError: Kryo\)") as told:
        server.options()
    assert str(tmp_path / "job-server.log") in str(told.value)


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("time.sleep(0.2); sys.exit(3)", "ran out of memory: give it more with runner.memory"),
        ("time.sleep(0.2); sys.exit(1)", "ended before its work was done (exit code 1)"),
        ("import os; time.sleep(0.2); os.kill(os.getpid(), 9)", "ended before its work was done (killed by signal 9)"),
    ],
)
def test_one_that_ends_is_a_sentence_also_for_whoever_waits_for_something_else(
    then: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engines.job_server.SECONDS_TO_BE_MISSED", 0.1)
    server = JobServer(Program(then), tmp_path)
    try:
        server.options()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(20)
        assert words in str(server.obituary(interrupted=True))
    finally:
        server.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells a process that its parent was killed")
def test_it_does_not_outlive_a_command_that_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""\
        import sys, time
        from pathlib import Path
        from tests.pipeline.engines.test_job_server import JobServer, Program, process_of
        server = JobServer(Program("time.sleep(60)"), Path({str(tmp_path)!r}))
        server.options()
        print(process_of(server).pid, flush=True)
        time.sleep(60)
        """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        server = psutil.Process(int(command.stdout.readline()))
        command.kill()
    assert psutil.wait_procs([server], timeout=5)[1] == []


def test_a_thread_that_loses_its_connection_is_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    lines = (
        "import threading, grpc",
        "from pipeline.engines.quiet import broken_connections_unheard",
        "def end(error): raise error",
        "with broken_connections_unheard():",
        "    for error in (grpc.RpcError('gone'), ValueError('a defect')):",
        "        thread = threading.Thread(target=end, args=(error,)); thread.start(); thread.join()",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
    said = capfd.readouterr().err
    assert "a defect" in said
    assert "gone" not in said


def test_a_runner_that_is_this_process_needs_none(tmp_path: Path) -> None:
    with engines.ready(Runner(options={"a": 1}), 1, tmp_path) as engine:
        assert engine.options() == {"a": 1}

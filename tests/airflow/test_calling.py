"""From exit codes to Airflow's exceptions, and what a command is started with."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from webtext_airflow import calling, settings
from webtext_airflow.child import Child

Program = Callable[[str], list[str]]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A command that is a shell script."""

    def make(script: str) -> list[str]:
        path = tmp_path / "command"
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return [str(path)]

    return make


ENDS_WHEN_TOLD = "trap 'exit 143' TERM; echo ready >&2; while :; do sleep .1; done"


def quiet(*_: object) -> None:
    pass


def test_what_a_person_must_mend_is_not_tried_again(program: Program) -> None:
    sentence = "fetch.archives: no file matches 'x*'; correct the pattern."
    line = json.dumps({"level": "error", "message": sentence})
    with pytest.raises(AirflowFailException) as raised:
        calling.run(program(f"cat >&2 <<'END'\n{line}\nEND\nexit 2"), quiet)
    assert str(raised.value) == sentence


def test_without_the_command_there_is_nothing_to_try_again(tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="set WEBTEXT_COMMAND"):
        calling.run([str(tmp_path / "webtext"), "corpus"], quiet)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'MemoryError: no more' >&2; exit 1", "exit code 1: MemoryError: no more"),
        ("kill -9 $$", "exit code 137"),
        ("exit 143", "exit code 143"),
    ],
)
def test_what_may_go_better_next_time_is_tried_again(program: Program, script: str, words: str) -> None:
    with pytest.raises(AirflowException, match=words) as raised:
        calling.run(program(script), quiet)
    assert not isinstance(raised.value, AirflowFailException)


def test_a_command_that_is_stopped_is_tried_again(program: Program) -> None:
    children: list[Child] = []

    def stop(_level: int, _line: str) -> None:
        children[0].stop()

    with pytest.raises(AirflowException, match="was stopped") as raised:
        calling.run(program(ENDS_WHEN_TOLD), stop, hold=children.append)
    assert not isinstance(raised.value, AirflowFailException)


def test_an_exception_here_stops_the_command(program: Program, tmp_path: Path) -> None:
    """Such as Airflow's timeout, which is raised wherever the task is."""

    def too_late(_level: int, _line: str) -> None:
        raise TimeoutError

    children: list[Child] = []
    with pytest.raises(TimeoutError):
        calling.run(program(ENDS_WHEN_TOLD), too_late, hold=children.append)
    assert children[0].wait(quiet).code == 143


def test_airflow_s_own_variables_and_secrets_stay_here(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgres://secret")
    monkeypatch.setenv("AIRFLOW_CONN_BANK", "secret")
    monkeypatch.setenv("HF_HOME", "/cache")
    found = calling.run(program("env"), quiet, {"praw_client_secret": "for-the-child"}).result
    assert "AIRFLOW" not in found
    assert "HF_HOME=/cache" in found
    assert "praw_client_secret=for-the-child" in found


def test_logs_are_asked_for_as_json(program: Program) -> None:
    said: list[tuple[int, str]] = []
    calling.run([*program('echo "$@"'), "corpus"], lambda level, line: said.append((level, line)))
    assert said == [(logging.INFO, "corpus --log-format json")]


def test_where_it_is_started(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEBTEXT_DIRECTORY", str(tmp_path))
    assert calling.run(program("pwd"), quiet).result == str(tmp_path)
    assert calling.launcher() == [f"{tmp_path}/.venv/bin/webtext"]
    monkeypatch.setenv("WEBTEXT_COMMAND", "/opt/webtext/bin/webtext")
    assert calling.launcher(8)[:1] == ["/opt/webtext/bin/torchrun"]
    assert calling.launcher(8)[-2:] == ["--nproc-per-node=8", "/opt/webtext/bin/webtext"]


def test_settings() -> None:
    found = settings.found_in({"WEBTEXT_DIRECTORY": "/srv", "WEBTEXT_RELEASES": "s3://b/r", "WEBTEXT_DUMPS": ""})
    assert (found.releases, found.dumps, found.command) == ("s3://b/r", "/srv/dumps", "/srv/.venv/bin/webtext")
    assert settings.found_in({}).directory == str(Path(__file__).resolve().parents[2])


def test_arguments_are_laid_flat() -> None:
    assert calling.laid_flat(["corpus", ["--set", "a=1"], ("x", [["y"]]), 3]) == [
        "corpus",
        "--set",
        "a=1",
        "x",
        "y",
        "3",
    ]

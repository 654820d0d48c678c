"""The command as a user starts it, on the sample."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

WEBTEXT = str(Path(sys.executable).with_name("webtext"))
SAMPLE = ("corpus", "--config", "configs/corpus/sample.yaml")

Webtext = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The test's environment with some variables changed."""
    return {**os.environ, **(changes or {})}


def begun(run: Path) -> contextlib.AbstractContextManager["subprocess.Popen[str]"]:
    """The command on the sample."""
    return begun_with(*SAMPLE, "--set", f"output={run}")


@contextlib.contextmanager
def begun_with(*arguments: str, variables: Mapping[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """The command, in a process group of its own as a shell would start it."""
    process = subprocess.Popen(
        [WEBTEXT, *arguments],
        cwd=CHECKOUT,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def webtext() -> Webtext:
    """Run the command in the checkout; returns its exit code, stdout and stderr."""

    def run(*arguments: str, variables: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [WEBTEXT, *arguments],
            cwd=CHECKOUT,
            env=environment(variables),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory, webtext: Webtext) -> Path:
    """A finished run on the sample, made once for all tests that only read it."""
    run = tmp_path_factory.mktemp("sample") / "run"
    done = webtext(*SAMPLE, "--set", f"output={run}")
    assert done.returncode == 0, done.stderr
    return run

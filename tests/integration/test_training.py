"""Training as a user starts it: what it leaves, that it goes on to the bit, and that ranks make no difference."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import CHECKOUT
from tests.integration.conftest import environment
from tests.integration.training_runs import done, manifest, rows, started, write_config
from tests.model.training.token_folders import write_tokens

STEPS = 12
SECONDS_TO_STOP = 30


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokens(tmp_path_factory.mktemp("tokens") / "tokens")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tokens: Path) -> Path:
    """A run that nothing disturbed, in one process."""
    folder = tmp_path_factory.mktemp("whole")
    finished = done(write_config(folder, folder / "run", tokens))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"{folder / 'run'}\n"
    assert finished.stderr.splitlines()[-1].startswith(f"next       webtext sample --checkpoint {folder / 'run'} ")
    return folder / "run"


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the command was done before it could be disturbed"
        assert time.monotonic() < end
        time.sleep(0.01)


def has_made(run: Path, steps: int) -> bool:
    metrics = run / "metrics.jsonl"
    return metrics.exists() and metrics.read_text().count("\n") >= steps


def assert_same_curve(run: Path, other: Path) -> None:
    for one, two in zip(rows(run), rows(other), strict=True):
        assert one.keys() == two.keys()
        assert one == pytest.approx(two, abs=1e-5, rel=1e-5)


def test_the_same_command_on_a_finished_run_changes_nothing(tmp_path: Path, whole: Path, tokens: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    again = done(write_config(tmp_path, whole, tokens))
    assert (again.returncode, again.stdout) == (0, f"{whole}\n")
    assert "all 12 steps" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_a_dry_run_prints_the_parameters_and_writes_nothing(tmp_path: Path, tokens: Path) -> None:
    config = write_config(tmp_path, tmp_path / "run", tokens)
    plan = done(config, "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "36096" in plan.stdout.splitlines()[0]
    assert "12 steps of 256" in plan.stdout
    without_tokens = done(config, "--dry-run", "--set", "tokens=/nowhere", "--set", "model=gpt2-xl", "--gpu", "A100")
    assert "1557611200" in without_tokens.stdout.splitlines()[0]
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.slow
def test_twenty_kills_make_no_difference_to_the_bit(tmp_path: Path, tokens: Path) -> None:
    """Half of them while a checkpoint is being written: `tests/integration/killing.py`."""

    def run(name: str, kills: int) -> str:
        program = [sys.executable, "-m", "tests.integration.killing", str(tmp_path / name), str(tokens), str(kills)]
        finished = subprocess.run(
            [*program, str(random.randrange(2**32))],
            cwd=CHECKOUT,
            env=environment({"OMP_NUM_THREADS": "1"}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    run("whole", 0)
    counted = {what: int(count) for what, count in (word.split("=") for word in run("killed", 20).split())}
    assert sum(counted.values()) == 20
    assert counted["saving"] >= 3
    assert manifest(tmp_path / "killed") == manifest(tmp_path / "whole")
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob("_temporary.*"))


def test_the_command_killed_and_started_again_ends_with_the_same_bits(
    tmp_path: Path, whole: Path, tokens: Path
) -> None:
    config = write_config(tmp_path, tmp_path / "run", tokens)
    for steps in (3, 8):
        with started(config) as process:
            wait_until(lambda steps=steps: has_made(tmp_path / "run", steps), process)  # type: ignore[misc]
            process.kill()
    assert done(config).returncode == 0
    assert manifest(tmp_path / "run") == manifest(whole)
    assert rows(tmp_path / "run") == rows(whole)


@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "stopped")]
)
def test_a_signal_saves_and_the_same_command_goes_on(
    tmp_path: Path, tokens: Path, number: signal.Signals, code: int, words: str
) -> None:
    run = tmp_path / "run"
    config = write_config(tmp_path, run, tokens, steps=100000, checkpoint_every=90000, validate_every=90000)
    with started(config) as process:
        wait_until(lambda: has_made(run, 20), process)
        process.send_signal(number)
        printed, said = process.communicate(timeout=SECONDS_TO_STOP)
    assert process.returncode == code, said
    assert printed == ""
    assert said.splitlines()[-1] == f"error: {words}; the same command goes on where this run ended."
    assert "Traceback" not in said
    step = manifest(run)["step"]
    assert [row["step"] for row in rows(run)] == list(range(1, step + 1))
    assert f"step {step} of 100000 is saved" in said


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
@pytest.mark.parametrize("recipe", ["paper", "fast"])
def test_two_ranks_make_the_curve_of_one(tmp_path: Path, tokens: Path, whole: Path, parallel: str, recipe: str) -> None:
    finished = done(write_config(tmp_path, tmp_path / "two", tokens, parallel=parallel, recipe=recipe), ranks=2)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"{tmp_path / 'two'}\n"
    assert finished.stderr.count("next       webtext sample") == 1
    one = whole
    if recipe == "fast":
        one = tmp_path / "one"
        assert done(write_config(tmp_path, one, tokens, recipe=recipe)).returncode == 0
    assert_same_curve(tmp_path / "two", one)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_what_two_ranks_saved_goes_on_with_one_and_with_four(
    tmp_path: Path, tokens: Path, whole: Path, parallel: str
) -> None:
    keys = {"parallel": parallel, "keep_checkpoints": 9}
    finished = done(write_config(tmp_path, tmp_path / "two", tokens, **keys), ranks=2)
    assert finished.returncode == 0, finished.stderr
    for ranks in (1, 4):
        run = tmp_path / f"to{ranks}"
        shutil.copytree(tmp_path / "two", run)
        for step in range(8, STEPS + 1, 2):
            shutil.rmtree(run / "checkpoints" / f"step-{step:08d}")
        finished = done(write_config(tmp_path, run, tokens, **keys), ranks=ranks)
        assert finished.returncode == 0, finished.stderr
        assert_same_curve(run, whole)


def test_sigterm_under_torchrun_saves_once(tmp_path: Path, tokens: Path) -> None:
    run = tmp_path / "run"
    config = write_config(tmp_path, run, tokens, steps=100000, checkpoint_every=90000, validate_every=90000)
    with started(config, ranks=2) as process:
        wait_until(lambda: has_made(run, 5), process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=SECONDS_TO_STOP)
    assert process.returncode != 0
    assert said.count("error: terminated; the same command goes on") == 1
    step = manifest(run)["step"]
    assert [row["step"] for row in rows(run)] == list(range(1, step + 1))


def test_a_rank_that_dies_ends_all_and_the_same_command_goes_on(tmp_path: Path, tokens: Path, whole: Path) -> None:
    run = tmp_path / "run"
    config = write_config(tmp_path, run, tokens, steps=100000, validate_every=90000)
    with started(config, ranks=2) as process:
        wait_until(lambda: has_made(run, 3), process)
        ranks = [child for child in psutil.Process(process.pid).children() if "train" in child.cmdline()]
        victim = next(child for child in ranks if child.environ()["RANK"] == "1")
        os.kill(victim.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=SECONDS_TO_STOP)
        assert psutil.wait_procs(ranks, timeout=20)[1] == []
    assert process.returncode != 0
    # torchrun ends the other rank, which may find out by itself first.
    assert re.search("(another rank is gone|terminated); the same command goes on", said), said
    steps = [row["step"] for row in rows(run)]
    assert steps == list(range(1, len(steps) + 1))


def test_a_mistake_under_torchrun_is_told_once(tmp_path: Path, tokens: Path) -> None:
    mistakes = {
        "batch_tokens=96": "2 ranks cannot share the 3 sequences of a step",
        "tokens=/nowhere": "the tokens /nowhere: this folder does not exist",
    }
    config = write_config(tmp_path, tmp_path / "run", tokens)
    for mistake, words in mistakes.items():
        wrong = done(config, "--set", mistake, ranks=2)
        assert wrong.returncode != 0
        assert len(re.findall(f"error: {words}", wrong.stderr)) == 1, wrong.stderr
        assert "exitcode  : 2" in wrong.stderr

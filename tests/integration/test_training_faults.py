"""What goes wrong around training: each is one sentence that says what to do, and never a silently wrong run."""

import json
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHECKOUT
from tests.integration.conftest import WEBTEXT, environment
from tests.integration.training_runs import done, manifest, rows, started, write_config
from tests.model.training.token_folders import write_tokens
from webtext import command

Said = Callable[..., str]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokens(tmp_path_factory.mktemp("tokens") / "tokens")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tokens: Path) -> Path:
    """A finished run that is only read."""
    folder = tmp_path_factory.mktemp("whole")
    finished = done(write_config(folder, folder / "run", tokens, keep_checkpoints=9))
    assert finished.returncode == 0, finished.stderr
    return folder / "run"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Said:
    """The one sentence with which the command, in this process, refuses to train."""

    def say(config: Path, name: str = "train") -> str:
        assert command.main([name, "--config", str(config)]) == 2
        printed, said = capsys.readouterr()
        assert printed == ""
        *before, last = said.splitlines()
        assert not [line for line in before if not line.startswith("warning: ")]
        assert last.startswith("error: ")
        return last.removeprefix("error: ")

    return say


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_a_token_file_with_a_wrong_checksum(tmp_path: Path, refused: Said) -> None:
    folder = write_tokens(tmp_path / "tokens")
    damage(folder / "validation-00000.bin")
    said = refused(write_config(tmp_path, tmp_path / "run", folder))
    assert "validation-00000.bin is damaged: its sha256" in said
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_token_file_that_is_cut_off_or_gone(tmp_path: Path, refused: Said) -> None:
    folder = write_tokens(tmp_path / "tokens")
    path = folder / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-2])
    config = write_config(tmp_path, tmp_path / "run", folder)
    assert "train-00000.bin has 3,998 bytes where its manifest says 4,000" in refused(config)
    path.unlink()
    assert "cannot read the tokens" in refused(config)


def test_tokens_that_are_not_there_say_how_to_make_them(tmp_path: Path, refused: Said) -> None:
    said = refused(write_config(tmp_path, tmp_path / "run", tmp_path / "nowhere"))
    assert "webtext tokens --set output=RUN" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": "a"}, "these were made with another tokenizer than those of the run in"),
        ({"seed": 7}, "these are not the tokens that the run in"),
    ],
)
def test_other_tokens_for_an_old_run(
    tmp_path: Path, whole: Path, refused: Said, changes: dict[str, Any], words: str
) -> None:
    other = write_tokens(tmp_path / "tokens", **changes)
    assert words in refused(write_config(tmp_path, whole, other, keep_checkpoints=9))


def test_another_model_over_an_old_run_is_refused_and_names_the_key(
    tmp_path: Path, whole: Path, tokens: Path, refused: Said
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    said = refused(write_config(tmp_path, whole, tokens, model={"layers": 3, "heads": 2, "width": 32, "context": 32}))
    assert said.startswith("model = layers 3, heads 2, width 32, context 32: the run in ")
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_weights_of_another_tokenizer_vocabulary_or_shape(
    tmp_path: Path, whole: Path, tokens: Path, refused: Said
) -> None:
    other = write_tokens(tmp_path / "tokens", tokenizer="a")
    said = refused(write_config(tmp_path, tmp_path / "run", other, init_from=str(whole)))
    assert "were made with another tokenizer than that of init_from" in said

    weights = tmp_path / "weights"
    shutil.copytree(whole / "checkpoints" / "step-00000012", weights)
    (weights / "manifest.json").unlink()
    network = json.loads((weights / "config.json").read_text())
    (weights / "config.json").write_text(json.dumps({**network, "vocab_size": 301}))
    said = refused(write_config(tmp_path, tmp_path / "run", tokens, init_from=str(weights)), "finetune")
    assert "knows 301 tokens, but tokens = " in said
    assert "vocabulary of 300" in said

    wide = {"layers": 2, "heads": 2, "width": 64, "context": 32}
    said = refused(write_config(tmp_path, tmp_path / "run", tokens, model=wide, init_from=str(whole)))
    assert "has another shape than that; leave model out" in said
    assert not (tmp_path / "run").exists()


def test_finetune_without_weights(tmp_path: Path, tokens: Path, refused: Said) -> None:
    assert "needs init_from" in refused(write_config(tmp_path, tmp_path / "run", tokens), "finetune")


def test_an_output_that_cannot_be_written(tmp_path: Path, tokens: Path, refused: Said) -> None:
    (tmp_path / "file").write_text("")
    said = refused(write_config(tmp_path, tmp_path / "file" / "run", tokens))
    assert said.startswith(f"cannot write {tmp_path / 'file' / 'run'}: ")


def test_cuda_where_there_is_none(tmp_path: Path, tokens: Path, refused: Said) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    said = refused(write_config(tmp_path, tmp_path / "run", tokens, device="cuda"))
    assert "torch finds 0 here" in said


def test_no_checkpoint_is_good(tmp_path: Path, whole: Path, tokens: Path, refused: Said) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    for weights in run.glob("checkpoints/*/model.safetensors"):
        damage(weights)
    assert "is damaged; begin again in another output" in refused(write_config(tmp_path, run, tokens))


def test_a_damaged_newest_checkpoint_is_passed_over(tmp_path: Path, whole: Path, tokens: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    damage(run / "checkpoints" / "step-00000012" / "trainer.safetensors")
    finished = done(write_config(tmp_path, run, tokens, keep_checkpoints=9))
    assert finished.returncode == 0, finished.stderr
    assert "step-00000012 is damaged (trainer.safetensors does not match its sha256)" in finished.stderr
    assert manifest(run) == manifest(whole)
    assert rows(run) == rows(whole)


def test_a_full_disk_while_saving(tmp_path: Path, whole: Path, tokens: Path) -> None:
    """No file may grow beyond 100,000 bytes: the weights, of 140 kB, cannot be saved."""
    run = tmp_path / "run"
    config = write_config(tmp_path, run, tokens, keep_checkpoints=9)
    full = subprocess.run(
        [WEBTEXT, "train", "--config", str(config)],
        cwd=CHECKOUT,
        env=environment({"OMP_NUM_THREADS": "1"}),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert full.returncode == 2, full.stderr
    assert "cannot save the checkpoint" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    assert list((run / "checkpoints").iterdir()) == []
    assert done(config).returncode == 0
    assert manifest(run) == manifest(whole)
    assert rows(run) == rows(whole)


def test_a_second_command_in_the_same_place(tmp_path: Path, tokens: Path, refused: Said) -> None:
    config = write_config(tmp_path, tmp_path / "run", tokens, steps=100000, checkpoint_every=90000)
    with started(config) as process:
        while not (tmp_path / "run" / "metrics.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.05)
        said = refused(config)
        process.kill()
    assert said == f"another webtext works in {tmp_path / 'run'}; wait for its end or choose another output."

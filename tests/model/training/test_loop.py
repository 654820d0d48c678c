"""The loop: it learns, goes on where it ended to the bit, and is stopped by faults and signals in good order."""

import json
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from model import tokenizer
from model.tokens import reading
from model.training import checkpoints, loop, preparation
from model.training.batches import MicroBatch
from model.training.checkpoints import Snapshot
from model.training.config import TrainConfig
from model.training.loop import Run
from model.training.ranks import Ranks
from model.training.stopping import Stop, asked_politely
from tests.model.training.runs import config_of, last_manifest, ready, rows, train
from tests.model.training.token_folders import END_OF_TEXT, write_tokens
from webtext.errors import UserError


class After(Stop):
    """Somebody asks to stop while this many steps are in hand."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    @property
    def requested(self) -> bool:
        self._left -= 1
        return self._left < 0


@pytest.fixture(scope="module")
def uninterrupted(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("uninterrupted")
    train(config_of(run, tokens))
    return run


def without_times(run: Path) -> list[dict[str, Any]]:
    times = {"seconds", "tokens_per_second", "cost"}
    return [{key: value for key, value in row.items() if key not in times} for row in rows(run)]


def test_a_run_is_what_the_design_promises(uninterrupted: Path, tokens: Path) -> None:
    made = rows(uninterrupted)
    assert [row["step"] for row in made] == list(range(1, 13))
    assert [row["tokens"] for row in made] == [256 * step for step in range(1, 13)]
    assert {"step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second", "mfu", "seconds"} <= set(made[0])
    assert [row["step"] for row in made if "validation_loss" in row] == [1, 4, 8, 12]
    assert made[-1]["validation_loss"] < made[0]["validation_loss"] - 0.1
    ids = reading.open_tokens(tokens, "validation", verify=True)[1:].tolist()
    text = tokenizer.load(uninterrupted).decode_bytes(number for number in ids if number != END_OF_TEXT)
    assert made[-1]["validation_loss_per_byte"] * len(text) == pytest.approx(made[-1]["validation_loss"] * len(ids))
    assert made[0]["loss"] == pytest.approx(math.log(300), abs=0.1)
    newest = uninterrupted / "checkpoints" / "step-00000012"
    assert {path.name for path in newest.iterdir()} == {
        *("model.safetensors", "config.json", "trainer.safetensors", "trainer.json", "manifest.json"),
        *("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"),
    }
    assert list((uninterrupted / "tensorboard").iterdir())
    assert (uninterrupted / "tokenizer" / "vocab.json").exists()


def test_a_checkpoint_says_when_and_how_good(uninterrupted: Path) -> None:
    manifest = last_manifest(uninterrupted)
    assert manifest["step"] == 12
    assert manifest["validation_loss"] == rows(uninterrupted)[-1]["validation_loss"]


@pytest.mark.parametrize("recipe", ["paper", "fast"])
def test_stopped_and_continued_is_the_same_to_the_bit(tokens: Path, tmp_path: Path, recipe: str) -> None:
    """The checkpoint's files hold no times, so the manifests, which have their sha256, are equal."""
    whole = config_of(tmp_path / "whole", tokens, recipe=recipe)
    parts = config_of(tmp_path / "parts", tokens, recipe=recipe)
    train(whole)
    for steps in (1, 4, 3):
        train(parts, After(steps - 1))
    train(parts)
    assert last_manifest(tmp_path / "parts") == last_manifest(tmp_path / "whole")
    assert without_times(tmp_path / "parts") == without_times(tmp_path / "whole")


def test_a_stop_saves_the_step_in_hand(tokens: Path, tmp_path: Path) -> None:
    run = train(config_of(tmp_path, tokens, checkpoint_every=100), After(4))
    assert run.progress.step == 5
    assert checkpoints.newest_good(tmp_path) == tmp_path / "checkpoints" / "step-00000005"
    assert len(rows(tmp_path)) == 5


def test_a_finished_run_is_left_alone(uninterrupted: Path, tokens: Path) -> None:
    config = config_of(uninterrupted, tokens)
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*")}
    assert preparation.ready(preparation.settled(config), Ranks()) is None
    assert {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*")} == before


def test_micro_batches_add_up_to_the_batch(uninterrupted: Path, tokens: Path, tmp_path: Path) -> None:
    """8 sequences as 3 + 3 + 2."""
    train(config_of(tmp_path, tokens, micro_batch=3))
    for one, other in zip(rows(tmp_path), rows(uninterrupted), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-4)
        assert one.get("validation_loss") == pytest.approx(other.get("validation_loss"), abs=1e-5)


def test_document_masking_is_measured_both_ways(uninterrupted: Path, tokens: Path, tmp_path: Path) -> None:
    train(config_of(tmp_path, tokens, document_masking=True, steps=2))
    last = rows(tmp_path)[-1]
    assert last["validation_loss"] != last["masked_validation_loss"]
    assert "masked_validation_loss" not in rows(uninterrupted)[-1]


def test_bf16_learns_and_keeps_fp32_weights(tokens: Path, tmp_path: Path) -> None:
    train(config_of(tmp_path, tokens, dtype="bf16"))
    made = rows(tmp_path)
    assert made[-1]["validation_loss"] < made[0]["validation_loss"] - 0.1
    tensors = load_file(tmp_path / "checkpoints" / "step-00000012" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def poison(run: Run, steps: set[int]) -> None:
    """Put a NaN into one gradient in the backward pass of some steps, as counted by backward passes."""
    passed = 0

    def hook(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal passed
        passed += 1
        return gradient * float("nan") if passed in steps else gradient

    next(run.model.parameters()).register_hook(hook)  # type: ignore[no-untyped-call]


def test_a_nan_in_a_gradient_is_never_applied(tokens: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = config_of(tmp_path, tokens)
    with ready(config) as run:
        poison(run, {3, 7})
        loop.train(run, Stop(), lambda _row: None)
    made = rows(tmp_path)
    assert [row["step"] for row in made if row.get("skipped")] == [3, 7]
    assert made[2]["grad_norm"] is None
    assert len(made) == 12
    assert "step 3 is skipped: the gradient norm is nan." in caplog.text
    tensors = load_file(tmp_path / "checkpoints" / "step-00000012" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_too_many_in_a_row_return_to_the_checkpoint_and_leave_the_data_out(
    tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps 6 and 7 are bad: back to checkpoint 4, and on with batch 7."""
    config = config_of(tmp_path, tokens, checkpoint_every=4, spikes={"patience": 2})
    loaded: list[int] = []
    with ready(config) as run:
        poison(run, {6, 7})
        load = run.batches.load

        def noting(batch: int) -> list[MicroBatch]:
            loaded.append(batch)
            return load(batch)

        monkeypatch.setattr(run.batches, "load", noting)
        loop.train(run, Stop(), lambda _row: None)
        assert run.progress.spikes["rollbacks"] == 1
        assert run.progress.batch == 15
    assert loaded[:9] == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert [row["step"] for row in rows(tmp_path)] == list(range(1, 13))
    assert not any(row.get("skipped") for row in rows(tmp_path))
    trainer = json.loads((tmp_path / "checkpoints" / "step-00000012" / "trainer.json").read_text())
    assert (trainer["step"], trainer["batch"]) == (12, 15)


def test_a_run_beyond_help_ends_in_a_sentence(tokens: Path, tmp_path: Path) -> None:
    """Steps 4 and 5 are bad, so it returns to checkpoint 4, and 5 and 6 are bad again."""
    config = config_of(tmp_path, tokens, spikes={"patience": 2, "rollbacks": 1})
    with ready(config) as run:
        poison(run, set(range(4, 100)))
        with pytest.raises(UserError, match=r"stopped at step 6: 2 steps in a row were skipped, .* nan; lower"):
            loop.train(run, Stop(), lambda _row: None)
    with ready(config_of(tmp_path / "new", tokens, spikes={"patience": 1})) as run:
        poison(run, {1})
        with pytest.raises(UserError, match="there is no checkpoint to return to"):
            loop.train(run, Stop(), lambda _row: None)


def test_a_save_that_fails_ends_the_run_and_the_same_command_goes_on(
    uninterrupted: Path, tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = checkpoints.write

    def full(run: Path, snapshot: Snapshot, tokenizer: Path) -> Path:
        if snapshot.step == 6:
            raise UserError("cannot save: no room")
        return write(run, snapshot, tokenizer)

    monkeypatch.setattr(checkpoints, "write", full)
    with pytest.raises(UserError, match="no room"):
        train(config_of(tmp_path, tokens))
    monkeypatch.undo()
    train(config_of(tmp_path, tokens))
    assert last_manifest(tmp_path) == last_manifest(uninterrupted)
    assert without_times(tmp_path) == without_times(uninterrupted)


def test_a_row_that_cannot_be_written_ends_the_run(
    tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ready(config_of(tmp_path, tokens, checkpoint_every=5)) as run:
        assert run.metrics is not None

        def full(_row: object) -> None:
            raise UserError("cannot write metrics: no room")

        monkeypatch.setattr(run.metrics, "write", full)
        with pytest.raises(UserError, match="no room"):
            loop.train(run, Stop(), lambda _row: None)
        assert run.progress.step == 1


def test_a_damaged_newest_checkpoint_costs_its_steps_only(uninterrupted: Path, tokens: Path, tmp_path: Path) -> None:
    train(config_of(tmp_path, tokens), After(6))
    weights = tmp_path / "checkpoints" / "step-00000007" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    train(config_of(tmp_path, tokens))
    assert last_manifest(tmp_path) == last_manifest(uninterrupted)
    assert without_times(tmp_path) == without_times(uninterrupted)


def test_weights_begin_as_the_seed_says(tokens: Path, tmp_path: Path) -> None:
    runs = [config_of(tmp_path / name, tokens, seed=seed, steps=1) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    for config in runs:
        train(config)
    one, same, other = (last_manifest(Path(config.output)) for config in runs)
    assert one == same != other


CHANGES: dict[str, Any] = {
    "seed": 2,
    "recipe": "fast",
    "batch_tokens": 512,
    "learning_rate": 1e-5,
    "warmup_steps": 3,
    "schedule": "wsd",
    "weight_decay": 0.0,
    "clip": 0.5,
    "document_masking": True,
    "validation_tokens": 100,
    "spikes": {"patience": 3},
    "model": {"layers": 1, "heads": 2, "width": 32, "context": 32},
    "init_from": "elsewhere",
}


@pytest.mark.parametrize("key", CHANGES)
def test_another_run_over_an_old_one_is_refused_and_names_the_key(uninterrupted: Path, tokens: Path, key: str) -> None:
    config = config_of(uninterrupted, tokens, **{key: CHANGES[key]})
    with pytest.raises(UserError, match=rf"^{key} = .*: the run in .* has {key} = .*; go on with that, or choose"):
        preparation.settled(config)


@pytest.mark.parametrize("changes", [{"seed": 9}, {"tokenizer": "a"}])
def test_other_tokens_over_an_old_run_are_refused(uninterrupted: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    other = write_tokens(tmp_path / "tokens", **changes)
    with pytest.raises(UserError, match=r"^tokens = .*: these "):
        preparation.settled(config_of(uninterrupted, other))


def test_how_it_is_computed_may_change_and_tokens_may_move(uninterrupted: Path, tokens: Path, tmp_path: Path) -> None:
    moved = write_tokens(tmp_path / "moved")
    config = config_of(tmp_path / "run", tokens, micro_batch=1, validate_every=3, keep_checkpoints=1, parallel="fsdp")
    train(config, After(2))
    train(config_of(tmp_path / "run", moved))
    losses = [row["loss"] for row in rows(tmp_path / "run")]
    assert losses == pytest.approx([row["loss"] for row in rows(uninterrupted)], abs=1e-5)


def test_what_a_config_leaves_open_stays_as_the_run_has_it(tokens: Path, tmp_path: Path) -> None:
    train(config_of(tmp_path, tokens, learning_rate=1e-4, seed=5), After(2))
    bare = {"output": str(tmp_path), "tokens": str(tokens), "steps": 12, "batch_tokens": 256}
    identity = preparation.settled(TrainConfig.model_validate(bare))
    assert (identity.config.learning_rate, identity.config.seed) == (1e-4, 5)
    assert identity.network.width == 32


def test_more_steps_while_the_rate_is_on_its_plateau(tokens: Path, tmp_path: Path) -> None:
    """A wsd run of 20 steps, of which 6 are made, ends as one that was to have 30 from the start."""
    keys = {"schedule": "wsd", "warmup_steps": 2, "checkpoint_every": 3}
    train(config_of(tmp_path / "raised", tokens, steps=20, **keys), After(5))
    for run in ("raised", "whole"):
        train(config_of(tmp_path / run, tokens, steps=30, **keys))
    assert last_manifest(tmp_path / "raised") == last_manifest(tmp_path / "whole")


def test_other_steps_once_the_rate_has_come_down_are_refused(uninterrupted: Path, tokens: Path) -> None:
    with pytest.raises(UserError, match=r"steps = 30: the learning rates .* were laid out for 12 steps"):
        preparation.settled(config_of(uninterrupted, tokens, steps=30))
    with pytest.raises(UserError, match=r"steps = 3: the run in .* has made 12 already"):
        preparation.settled(config_of(uninterrupted, tokens, steps=3))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"model": None}, "the key model is missing"),
        ({"batch_tokens": 250}, "no multiple of the context of 32 tokens; the nearest are 224 and 256"),
        ({"model": {"layers": 1, "heads": 3, "width": 32, "context": 32}}, "cannot be shared by 3 heads"),
        ({"tokens": "/nowhere/tokens"}, "does not exist; make it with webtext tokens"),
        ({"init_from": "/nowhere/weights"}, "/nowhere/weights does not exist"),
    ],
)
def test_a_config_that_does_not_fit_is_a_sentence(
    tokens: Path, tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        preparation.settled(config_of(tmp_path, tokens, **keys))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"train": 32}, "the training split has 32 tokens, but one sequence needs 33"),
        ({"train": 0, "pieces": 0}, "the training split has 0 tokens"),
        ({"validation": 1}, "the validation split has 1 tokens and nothing can be measured"),
    ],
)
def test_too_few_tokens_are_a_sentence(tmp_path: Path, split: dict[str, int], words: str) -> None:
    few = write_tokens(tmp_path / "tokens", **{"pieces": 1, **split})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=words):
        train(config_of(tmp_path / "run", few))


def test_a_token_file_is_verified_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: Any) -> None:
    folder = write_tokens(tmp_path / "tokens")
    train(config_of(tmp_path / "run", folder), After(1))
    damaged = folder / "train-00001.bin"
    content = damaged.read_bytes()
    opened: list[bool] = []
    original = reading.open_tokens

    def noting(path: Path, split: str, *, verify: bool) -> Any:
        opened.append(verify)
        return original(path, split, verify=verify)

    monkeypatch.setattr(preparation, "open_tokens", noting)
    train(config_of(tmp_path / "run", folder), After(1))
    assert not any(opened)
    damaged.write_bytes(content[:-2] + b"\1\0")
    with pytest.raises(UserError, match=r"train-00001.bin is damaged: its sha256"):
        train(config_of(tmp_path / "run", folder))


def test_a_folder_with_another_config_json_is_refused(tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(UserError, match=r"config.json is not the config of a training run"):
        preparation.settled(config_of(tmp_path, tokens))


@pytest.fixture
def handlers() -> Iterator[list[int]]:
    """What reaches the handlers that were there before."""
    reached: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _frame: reached.append(number))
    yield reached
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_is_noted_and_a_later_one_handed_on(
    handlers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with asked_politely() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        signal.raise_signal(signal.SIGTERM)  # torchrun and the terminal both send it
        assert handlers == []
        now = 102.0
        signal.raise_signal(signal.SIGINT)
        assert handlers == [signal.SIGINT]
    assert stop.number == signal.SIGTERM
    signal.raise_signal(signal.SIGTERM)
    assert handlers == [signal.SIGINT, signal.SIGTERM]


def test_finetuning_begins_with_the_weights_it_is_given(uninterrupted: Path, tokens: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path / "tuned", tokens, model=None, init_from=str(uninterrupted), learning_rate=1e-9)
    train(config, After(0))
    assert rows(tmp_path / "tuned")[0]["validation_loss"] == pytest.approx(
        rows(uninterrupted)[-1]["validation_loss"], abs=1e-4
    )

"""Checkpoints: complete or absent, some kept, damaged ones passed over."""

import contextlib
import json
import logging
import resource
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from model.training import checkpoints, tensor_files
from model.training.checkpoints import Snapshot
from model.training.saving import Saver
from webtext.errors import UserError

STEPS = (1, 2, 3)


def snapshot(step: int, validation_loss: float | None = None, size: int = 100) -> Snapshot:
    return Snapshot(
        step=step,
        weights={"b": torch.full((size, 2), float(step)), "a": torch.arange(6.0).view(2, 3).t()},
        network={"model_type": "gpt2"},
        trainer_tensors={"a.exp_avg": torch.ones(3)},
        trainer={"step": step},
        validation_loss=validation_loss,
    )


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "vocab.json").write_text("{}")
    return folder


@pytest.fixture
def run(tmp_path: Path, tokenizer: Path) -> Path:
    """A run with the checkpoints 1 to 3."""
    for step in STEPS:
        checkpoints.write(tmp_path, snapshot(step), tokenizer)
    return tmp_path


@contextlib.contextmanager
def little_room() -> Iterator[None]:
    """No file may grow beyond 600 bytes: what a full disk is to one who writes. Not for longer than it takes, since
    what pytest itself writes may go to a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / checkpoints.CHECKPOINTS).iterdir())


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8), st.tuples(st.integers(0, 4), st.integers(0, 5), st.booleans()), max_size=5
    )
)
def test_the_library_reads_what_is_written(tensors_like: dict[str, tuple[int, int, bool]]) -> None:
    tensors = {
        name: torch.randn(rows, columns).t() if turned else torch.randn(rows, columns).to(torch.bfloat16)
        for name, (rows, columns, turned) in tensors_like.items()
        if name != "__metadata__"
    }
    path = Path(tempfile.mkdtemp()) / "x.safetensors"
    record = tensor_files.write(path, tensors)
    read = load_file(path)
    assert record.bytes == path.stat().st_size
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    shutil.rmtree(path.parent)


def test_a_checkpoint_lists_its_files_and_holds_no_pickle(run: Path) -> None:
    folder = run / checkpoints.CHECKPOINTS / "step-00000002"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {entry["path"] for entry in manifest["files"]} | {"manifest.json"} == {p.name for p in folder.iterdir()}
    assert {p.suffix for p in folder.iterdir()} == {".json", ".safetensors"}
    assert checkpoints.fault_of(folder) is None
    assert load_file(folder / "model.safetensors")["a"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_equal_snapshots_are_equal_bytes(tmp_path: Path, tokenizer: Path) -> None:
    one, other = (checkpoints.write(tmp_path / name, snapshot(1), tokenizer) for name in ("one", "other"))
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}


def test_a_full_disk_leaves_what_was_there(run: Path, tokenizer: Path) -> None:
    before = names(run)
    sentence = r"cannot save the checkpoint .*step-00000004: File too large; the earlier"
    with little_room(), pytest.raises(UserError, match=sentence):
        checkpoints.write(run, snapshot(4), tokenizer)
    assert names(run) == before
    assert checkpoints.newest_good(run) == run / checkpoints.CHECKPOINTS / "step-00000003"


def test_old_ones_go_only_when_a_new_one_is_complete(run: Path, tokenizer: Path) -> None:
    saver = Saver(run, tokenizer, 1, background=False)
    with little_room(), pytest.raises(UserError, match="cannot save"):
        saver.save(snapshot(4))
    assert names(run) == ["step-00000001", "step-00000002", "step-00000003"]


@pytest.mark.parametrize(
    ("losses", "keep", "kept"),
    [
        ([None] * 5, 2, [4, 5]),
        ([3.0, 1.0, 2.0, 2.5, None], 2, [2, 4, 5]),
        ([3.0, 2.0, None, None, 1.0], 1, [5]),
        ([float("nan"), 2.0, 3.0, 4.0, 5.0], 1, [2, 5]),
        ([1.0] * 3, 9, [1, 2, 3]),
    ],
)
def test_the_newest_and_the_best_are_kept(
    tmp_path: Path, tokenizer: Path, losses: list[float | None], keep: int, kept: list[int]
) -> None:
    saver = Saver(tmp_path, tokenizer, keep, background=False)
    for step, loss in enumerate(losses, 1):
        saver.save(snapshot(step, loss))
    assert names(tmp_path) == [checkpoints.name_of(step) for step in kept]


@pytest.mark.parametrize("file", ["model.safetensors", "trainer.safetensors", "trainer.json", "vocab.json"])
def test_a_damaged_newest_one_is_named_and_the_one_before_is_taken(
    run: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage(run / checkpoints.CHECKPOINTS / "step-00000003" / file)
    with caplog.at_level(logging.WARNING):
        assert checkpoints.newest_good(run) == run / checkpoints.CHECKPOINTS / "step-00000002"
    assert f"step-00000003 is damaged ({file} does not match its sha256)" in caplog.text
    assert names(run) == ["damaged.step-00000003", "step-00000001", "step-00000002"]


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"files": [{}]}', b"\xff\x00"])
def test_a_manifest_that_is_gone_or_no_manifest_is_damage(run: Path, content: bytes | None) -> None:
    manifest = run / checkpoints.CHECKPOINTS / "step-00000003" / "manifest.json"
    if content is None:
        manifest.unlink()
    else:
        manifest.write_bytes(content)
    assert checkpoints.newest_good(run) == run / checkpoints.CHECKPOINTS / "step-00000002"


def test_a_short_file_and_a_missing_one_are_damage(run: Path) -> None:
    folder = run / checkpoints.CHECKPOINTS
    with (folder / "step-00000003" / "model.safetensors").open("rb+") as file:
        file.truncate(50)
    (folder / "step-00000002" / "trainer.safetensors").unlink()
    assert "50 bytes, not" in (checkpoints.fault_of(folder / "step-00000003") or "")
    assert checkpoints.fault_of(folder / "step-00000002") == "trainer.safetensors: No such file or directory"
    assert checkpoints.newest_good(run) == folder / "step-00000001"


def test_none_good_is_a_sentence_and_none_at_all_is_none(run: Path, tmp_path: Path) -> None:
    assert checkpoints.newest_good(tmp_path / "new") is None
    for step in STEPS:
        damage(run / checkpoints.CHECKPOINTS / checkpoints.name_of(step) / "model.safetensors")
    with pytest.raises(UserError, match=r"every checkpoint in .* is damaged; begin again in another output"):
        checkpoints.newest_good(run)


def test_what_killed_saves_and_removals_left_goes_away(run: Path) -> None:
    for name in ("_temporary.step-00000009", "_temporary.step-00000001.removed"):
        (run / checkpoints.CHECKPOINTS / name).mkdir()
        (run / checkpoints.CHECKPOINTS / name / "model.safetensors").write_bytes(b"half")
    checkpoints.remove_temporaries(run)
    assert names(run) == [checkpoints.name_of(step) for step in STEPS]


def test_a_checkpoint_takes_the_place_of_one_of_its_step(run: Path, tokenizer: Path) -> None:
    damage(run / checkpoints.CHECKPOINTS / "step-00000003" / "model.safetensors")
    checkpoints.write(run, snapshot(3), tokenizer)
    assert checkpoints.newest_good(run) == run / checkpoints.CHECKPOINTS / "step-00000003"
    assert names(run) == [checkpoints.name_of(step) for step in STEPS]


def test_a_thread_writes_while_others_work_and_its_failure_comes_out(
    run: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    write = checkpoints.write

    def slowly(run: Path, snapshot: Snapshot, tokenizer: Path) -> Path:
        assert go_on.wait(10)
        if snapshot.step == 5:
            raise UserError("the disk is full")
        return write(run, snapshot, tokenizer)

    monkeypatch.setattr(checkpoints, "write", slowly)
    saver = Saver(run, tokenizer, 9, background=True)
    saver.save(snapshot(4))
    assert names(run)[-1] == "step-00000003"
    assert not saver.failed
    go_on.set()
    saver.save(snapshot(5))
    assert names(run)[-1] == "step-00000004"
    with pytest.raises(UserError, match="the disk is full"):
        saver.wait()
    saver.wait()

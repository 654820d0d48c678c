"""All files of a split as one sequence, and damage that is found before training."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tokens.reading import TokenFiles, open_tokens
from webtext import storage
from webtext.errors import UserError


def of(pieces: list[list[int]]) -> TokenFiles:
    return TokenFiles([np.array(piece, dtype="<u2") for piece in pieces], 1, 1, 0, 300, "")


@given(
    pieces=st.lists(st.lists(st.integers(0, 65535), max_size=6), max_size=5),
    begin=st.one_of(st.none(), st.integers(-40, 40)),
    end=st.one_of(st.none(), st.integers(-40, 40)),
)
def test_slices_are_those_of_a_list(pieces: list[list[int]], begin: int | None, end: int | None) -> None:
    tokens, whole = of(pieces), [number for piece in pieces for number in piece]
    assert len(tokens) == tokens.total == len(whole)
    assert tokens[begin:end].tolist() == whole[begin:end]
    assert tokens[begin:end].dtype == np.uint16
    for at in range(-len(whole), len(whole)):
        assert tokens[at] == whole[at]
    for at in (len(whole), -len(whole) - 1):
        with pytest.raises(IndexError):
            tokens[at]


def test_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="steps of 1, not 2"):
        of([[1, 2, 3]])[::2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of training tokens, and their manifest."""
    entries = []
    for number, tokens in enumerate([[5, 6, 0], [7, 0]]):
        content = np.array(tokens, dtype="<u2").tobytes()
        record = storage.write_bytes(str(tmp_path), f"train-{number:05d}.bin", content)
        entries.append({"path": record.path, "split": "train", "tokens": len(tokens), "documents": 1,
                        "bytes": record.bytes, "sha256": record.sha256})  # fmt: skip
    manifest = {
        "tokenizer": {"fingerprint": "f", "vocabulary": 300, "end_of_text": 0},
        "splits": {"train": {"tokens": 5, "documents": 2, "bytes": 9}},
        "files": entries,
    }
    storage.write_json(str(tmp_path), "manifest.json", manifest)
    (tmp_path / "_SUCCESS").touch()
    return tmp_path


def test_what_is_told(folder: Path) -> None:
    tokens = open_tokens(folder, "train", verify=True)
    assert tokens[1:4].tolist() == [6, 0, 7]
    assert (tokens.total, tokens.documents, tokens.text_bytes, tokens.end_of_text, tokens.vocabulary) == (
        5,
        2,
        9,
        0,
        300,
    )
    assert open_tokens(folder, "validation", verify=True).total == 0


def test_views_are_read_only(folder: Path) -> None:
    view = open_tokens(folder, "train", verify=False)[:2]
    assert isinstance(view, np.memmap)
    assert not view.flags.writeable


def test_damage(folder: Path) -> None:
    (folder / "train-00001.bin").write_bytes(b"\x08\x00\x00\x00")
    open_tokens(folder, "train", verify=False)
    with pytest.raises(UserError, match=r"train-00001.bin is damaged: its sha256"):
        open_tokens(folder, "train", verify=True)
    (folder / "train-00001.bin").write_bytes(b"\x08\x00")
    with pytest.raises(UserError, match=r"train-00001.bin has 2 bytes where its manifest says 4"):
        open_tokens(folder, "train", verify=False)
    (folder / "train-00001.bin").unlink()
    with pytest.raises(UserError, match=r"cannot read the tokens .*train-00001.bin: No such file"):
        open_tokens(folder, "train", verify=False)


def test_what_is_no_tokens_folder(folder: Path) -> None:
    with pytest.raises(UserError, match=r"absent: this folder does not exist; make it with webtext tokens"):
        open_tokens(folder / "absent", "train", verify=False)
    storage.write_json(str(folder), "manifest.json", {"stage": "corpus"})
    with pytest.raises(UserError, match="holds no tokens"):
        open_tokens(folder, "train", verify=False)

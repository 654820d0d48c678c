"""Tokens as llm.c and nanoGPT read them."""

from pathlib import Path

import numpy as np
import pytest

from model.tokenizer import files, training
from model.tokens import exports, stage
from model.tokens.config import TokensConfig
from model.tokens.exports import Export
from model.tokens.reading import open_tokens
from tests.model.tokens.conftest import Write
from webtext.errors import UserError


@pytest.fixture
def tokens(tmp_path: Path, documents: list[tuple[str, str]], write_corpus: Write) -> Path:
    """RUN/tokens in several files."""
    run = write_corpus(tmp_path / "run", train_00000=documents[:50], validation_00000=documents[50:])
    files.write(training.train([[text for _, text in documents]], 300), str(run / "tokenizer"))
    return Path(stage.build(TokensConfig(output=str(run), tokens_per_file=60)))


def read_as_llmc_does(path: Path) -> np.ndarray:
    """fread of 256 ints, then of as many 16-bit tokens as the third one says; the file's size must be right."""
    content = path.read_bytes()
    header = np.frombuffer(content[:1024], dtype="<i4")
    assert (header[0], header[1]) == (20240520, 1)
    assert len(content) == 1024 + 2 * header[2]
    assert not header[3:].any()
    return np.frombuffer(content[1024:], dtype="<u2")


@pytest.mark.parametrize(("split", "short"), [("train", "train"), ("validation", "val")])
def test_llmc(tokens: Path, tmp_path: Path, split: str, short: str) -> None:
    exports.write(Export("llmc", str(tmp_path / "llmc")), tokens)
    paths = sorted((tmp_path / "llmc").glob(f"webtext_{short}_*.bin"))
    ours = open_tokens(tokens, split, verify=True)
    assert len(paths) == len(ours.files) > 1
    assert np.array_equal(np.concatenate([read_as_llmc_does(path) for path in paths]), ours[:])


def test_nanogpt(tokens: Path, tmp_path: Path) -> None:
    names = exports.write(Export("nanogpt", str(tmp_path / "nanogpt")), tokens)
    assert names == ["train.bin", "val.bin", "meta.json"]
    for name, split in [("train.bin", "train"), ("val.bin", "validation")]:
        data = np.memmap(tmp_path / "nanogpt" / name, dtype=np.uint16, mode="r")
        assert np.array_equal(data, open_tokens(tokens, split, verify=True)[:])


def test_damaged_tokens_are_not_exported(tokens: Path, tmp_path: Path) -> None:
    path = tokens / "train-00000.bin"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(UserError, match="is damaged"):
        exports.write(Export("nanogpt", str(tmp_path / "nanogpt")), tokens)


@pytest.mark.parametrize("option", ["llmc", "llmc:", ":folder", "other:folder", ""])
def test_what_is_no_export(option: str) -> None:
    with pytest.raises(UserError, match=r"--export takes llmc:FOLDER or nanogpt:FOLDER"):
        exports.parse(option)


def test_a_colon_in_a_folders_name() -> None:
    assert exports.parse("llmc:C:/x") == Export("llmc", "C:/x")

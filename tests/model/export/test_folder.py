"""The exported folder: loads elsewhere, gives the same text, and never costs anybody a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

import model
from model.export.folder import FILES, export
from model.training import tensor_files
from tests.model.conftest import NetworkFolder
from webtext.errors import UserError


def exported(source: Path, output: Path, dtype: str = "fp32", **options: Any) -> Path:
    return export(str(source), str(output), dtype=dtype, **{"name": None, "license_name": "other", **options})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_has_the_files_that_the_world_expects(network_folder: NetworkFolder, tmp_path: Path) -> None:
    made = exported(network_folder(), tmp_path / "deep" / "HF")
    assert set(contents(made)) == FILES
    own = model.load_tokenizer(made)
    config = json.loads((made / "config.json").read_text())
    generation = json.loads((made / "generation_config.json").read_text())
    assert config["eos_token_id"] == generation["eos_token_id"] == own.end_of_text
    assert [path.name for path in made.parent.iterdir()] == ["HF"]


def test_the_auto_classes_load_it_with_equal_logits_and_ids(network_folder: NetworkFolder, tmp_path: Path) -> None:
    made = exported(network_folder(), tmp_path / "HF")
    theirs, their_tokenizer = (
        transformers.AutoModelForCausalLM.from_pretrained(made),
        transformers.AutoTokenizer.from_pretrained(made),
    )
    text = "the old house 日本語 <|endoftext"
    ids = model.load_tokenizer(made).encode(text)
    assert their_tokenizer(text).input_ids == ids
    assert their_tokenizer.model_max_length == theirs.config.n_positions == 32
    with torch.inference_mode():
        torch.testing.assert_close(
            model.load(network_folder())(torch.tensor([ids])),
            theirs(torch.tensor([ids])).logits,
            atol=1e-5,
            rtol=1e-5,
        )


def test_an_export_of_an_export_has_the_same_bytes(network_folder: NetworkFolder, tmp_path: Path) -> None:
    first = exported(network_folder(), tmp_path / "a" / "HF")
    again = exported(first, tmp_path / "b" / "HF")
    assert contents(first) == contents(again)
    assert contents(exported(again, again)) == contents(first)  # onto itself


def test_bf16_is_said_and_done(network_folder: NetworkFolder, tmp_path: Path) -> None:
    made = exported(network_folder(), tmp_path / "HF", "bf16")
    assert {tensor.dtype for tensor in load_file(made / "model.safetensors").values()} == {torch.bfloat16}
    assert transformers.AutoModelForCausalLM.from_pretrained(made).dtype == torch.bfloat16
    assert "| weights | bf16 |" in (made / "README.md").read_text()


def test_an_earlier_export_is_replaced(network_folder: NetworkFolder, tmp_path: Path) -> None:
    before = contents(exported(network_folder("a", seed=1), tmp_path / "HF"))
    after = contents(exported(network_folder("b", seed=2), tmp_path / "HF"))
    assert before["model.safetensors"] != after["model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["HF", "a", "b"]


def with_notes(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")


def with_a_card_of_its_own(folder: Path) -> None:
    (folder / "README.md").write_text("# My model")


@pytest.mark.parametrize("change", [with_notes, with_a_card_of_its_own])
def test_a_folder_with_something_else_in_it_is_left_alone(
    network_folder: NetworkFolder, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    made = exported(network_folder(), tmp_path / "HF")
    change(made)
    before = contents(made)
    with pytest.raises(UserError, match="is not empty and no export"):
        exported(network_folder(), made)
    with pytest.raises(UserError, match="is not empty and no export"):
        exported(network_folder(), network_folder())
    assert contents(made) == before


def test_an_empty_folder_is_taken_and_a_file_is_not(network_folder: NetworkFolder, tmp_path: Path) -> None:
    (tmp_path / "HF").mkdir()
    assert set(contents(exported(network_folder(), tmp_path / "HF"))) == FILES
    with pytest.raises(UserError, match="is a file"):
        exported(network_folder(), tmp_path / "HF" / "config.json")


def test_a_failure_leaves_what_was_there(
    network_folder: NetworkFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(exported(network_folder("a", seed=1), tmp_path / "HF"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensor_files, "write", full)
    with pytest.raises(UserError, match=r"cannot write .*No space left"):
        exported(network_folder("b", seed=2), tmp_path / "HF")
    assert contents(tmp_path / "HF") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["HF", "a", "b"]


def test_a_source_without_a_tokenizer_is_refused(network_folder: NetworkFolder, tmp_path: Path) -> None:
    source = network_folder()
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (source / name).unlink()
    with pytest.raises(UserError, match="no tokenizer"):
        exported(source, tmp_path / "HF")
    assert not (tmp_path / "HF").exists()

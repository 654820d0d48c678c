"""Folders with weights: what is read, and the one sentence for what is not."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import model
from model import checkpoint
from tests.model.conftest import NetworkFolder
from webtext.errors import UserError


def logits_of(folder: Path) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model.load(folder)(torch.arange(20)[None])
    return logits


def manifest(folder: Path) -> None:
    """Write what a trainer's checkpoint says of its files."""
    files = [
        {"path": path.name, "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
    ]
    (folder / "manifest.json").write_text(json.dumps({"step": 1, "validation_loss": None, "files": files}))


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_folder_gives_a_network_ready_to_use(network_folder: NetworkFolder) -> None:
    network = model.load(str(network_folder()))
    assert not network.training
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert not any(parameter.is_meta for parameter in network.parameters())
    ids = torch.tensor([model.load_tokenizer(network_folder()).encode("the old house")])
    assert network(ids).shape == (1, ids.shape[1], network.config.vocabulary)


def test_transformers_reads_the_same_folder(network_folder: NetworkFolder) -> None:
    theirs = transformers.AutoModelForCausalLM.from_pretrained(network_folder())
    torch.testing.assert_close(logits_of(network_folder()), theirs(torch.arange(20)[None]).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_what_transformers_saves_is_read(network_folder: NetworkFolder, tmp_path: Path, shard: str) -> None:
    theirs = transformers.AutoModelForCausalLM.from_pretrained(network_folder())
    theirs.save_pretrained(tmp_path / "saved", max_shard_size=shard)
    assert (tmp_path / "saved" / "model.safetensors.index.json").exists() == (shard == "20KB")
    assert torch.equal(logits_of(tmp_path / "saved"), logits_of(network_folder()))


def test_half_precision_is_read_as_fp32(network_folder: NetworkFolder) -> None:
    folder, exact = network_folder(), logits_of(network_folder())
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor.bfloat16() for name, tensor in tensors.items()}, folder / "model.safetensors")
    assert logits_of(folder).dtype == torch.float32
    assert not torch.equal(logits_of(folder), exact)
    torch.testing.assert_close(logits_of(folder), exact, atol=0.2, rtol=0.05)


def test_a_run_means_its_newest_checkpoint(network_folder: NetworkFolder, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for step in (2, 10, 9):
        manifest(network_folder(f"run/checkpoints/step-{step:08d}", seed=step))
    (run / "config.json").write_text("{}")
    network_folder("run/checkpoints/_temporary.step-00000011", seed=11)
    assert checkpoint.find(run).name == "step-00000010"
    assert torch.equal(logits_of(run), logits_of(run / "checkpoints" / "step-00000010"))
    assert model.load_tokenizer(checkpoint.find(run)).vocabulary == model.load(run).config.vocabulary


def test_a_damaged_newest_checkpoint_is_passed_over_and_told(
    network_folder: NetworkFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        manifest(network_folder(f"run/checkpoints/step-{step:08d}", seed=step))
    newest = tmp_path / "run" / "checkpoints" / "step-00000002"
    damage(newest / "model.safetensors")
    with caplog.at_level(logging.WARNING, logger="webtext"):
        assert checkpoint.find(tmp_path / "run").name == "step-00000001"
    assert "step-00000002 is damaged (model.safetensors does not match its sha256" in caplog.text
    with pytest.raises(UserError, match=r"damaged: model\.safetensors does not match"):
        model.load(newest)
    damage(newest.with_name("step-00000001") / "config.json")
    with pytest.raises(UserError, match="every checkpoint"):
        model.load(tmp_path / "run")


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def truncated(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def another_kind(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 64}))


def another_shape(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "n_positions": 64}))


def sharded_away(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"transformer.wte.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def sharded_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt2", ')


def a_list(folder: Path) -> None:
    (folder / "config.json").write_text("[1]")


def empty_run(folder: Path) -> None:
    (folder / "checkpoints").mkdir()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (without("config.json"), "has no config.json"),
        (without("model.safetensors"), "has no model.safetensors"),
        (pickled, "pytorch_model.bin only, which can run code .* save_pretrained"),
        (truncated, "model.safetensors is cut off"),
        (another_kind, "model_type = 'llama': only gpt2"),
        (another_shape, r"wpe.weight has the shape \(32, 32\), but config.json asks for \(64, 32\)"),
        (sharded_away, "lacks model-00001-of-00002.safetensors"),
        (sharded_elsewhere, "names no files of its folder"),
        (no_json, "config.json is not JSON"),
        (a_list, "config.json is not a JSON object"),
        (empty_run, "has no complete checkpoint yet"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    network_folder: NetworkFolder, spoil: Callable[[Path], None], sentence: str
) -> None:
    folder = network_folder()
    spoil(folder)
    with pytest.raises(UserError, match=sentence) as refused:
        model.load(folder)
    assert "\n" not in str(refused.value)
    assert str(folder) in str(refused.value)


def test_a_path_that_is_no_folder_is_refused(network_folder: NetworkFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        model.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is a file"):
        model.load(network_folder() / "model.safetensors")


def test_no_pickle_is_opened_though_safetensors_lie_beside_it(network_folder: NetworkFolder) -> None:
    folder, before = network_folder(), logits_of(network_folder())
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert torch.equal(logits_of(folder), before)

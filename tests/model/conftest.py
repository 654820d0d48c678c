"""Small networks, and the folders that they lie in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
import torch
from safetensors.torch import save_file

from model import tokenizer, weights
from model.gpt2 import GPT2, GPT2Config

TEXTS = ["the old house stood by the river, and the wind went through the trees", "größer, naïve, 日本語, 👩‍🚀"]

NetworkFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def perturbed(config: GPT2Config, seed: int = 0, scale: float = 0.3) -> GPT2:
    """A network all of whose numbers are random, biases and norms too."""
    network = GPT2(config).eval()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, scale, generator=draw)
        network.tokens.weight[config.vocabulary :] = 0
    return network


@pytest.fixture(scope="session")
def small_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four files of a tokenizer of 300 entries."""
    folder = tmp_path_factory.mktemp("tokenizer")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=299, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(TEXTS * 20, trainer)
    made.add_special_tokens(["<|endoftext|>"])
    made.save(str(folder / "trained.json"))
    (folder / "trained.json").rename(folder / "tokenizer.json")
    tokenizer.copy_files(folder, folder)
    return folder


@pytest.fixture
def network_folder(tmp_path: Path, small_tokenizer: Path) -> NetworkFolder:
    """Make a folder with a network and its tokenizer, as a checkpoint or a Hugging Face folder has them."""

    def make(name: str = "network", *, seed: int = 0, layers: int = 2, heads: int = 2, context: int = 32) -> Path:
        folder = tmp_path / name
        tokenizer.copy_files(small_tokenizer, folder)
        config = GPT2Config(layers, heads, 16 * heads, context, tokenizer.load(folder).vocabulary)
        tensors = weights.to_huggingface(perturbed(config, seed).state_dict(), config)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(weights.huggingface_config(config)))
        return folder

    return make

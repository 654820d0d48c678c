"""Vocabularies for tests: GPT-2's own, and small ones learnt on the spot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model.tokenizer import Tokenizer, load, training

Learn = Callable[..., Tokenizer]


@pytest.fixture(scope="session")
def gpt2(shared_data: Path) -> Tokenizer:
    """GPT-2's tokenizer, from OpenAI's two files."""
    folder = shared_data / "text" / "gpt2_vocab"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return load(folder)


@pytest.fixture(scope="session")
def learn() -> Learn:
    """Learn a small tokenizer from texts."""

    def learnt(texts: list[str], size: int = 400, min_frequency: int = 2) -> Tokenizer:
        return Tokenizer(training.train([texts], size, min_frequency=min_frequency))

    return learnt

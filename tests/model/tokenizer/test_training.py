"""The same texts give the same vocabulary, whatever the machine; ties and small texts included."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from model.tokenizer import Tokenizer, training
from model.tokenizer.vocabulary import END_OF_TEXT

# Words of letters drawn at random: many pairs are equally frequent, so that an order that came from threads or from
# hashing would show.
TIES = """
import random
from model.tokenizer import training
draw = random.Random(1)
texts = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz  ", k=50)) for _ in range(2000)]
batches = [texts[at : at + 100] for at in range(0, len(texts), 100)]
print(training.train(batches, 1500).fingerprint)
"""


def learnt(**variables: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", TIES],
        env={**os.environ, **variables},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_threads_and_hash_seeds_change_nothing() -> None:
    once = learnt(RAYON_NUM_THREADS="1", PYTHONHASHSEED="1")
    assert len(once) == 64
    assert learnt(RAYON_NUM_THREADS="2", PYTHONHASHSEED="2") == once
    assert learnt(RAYON_NUM_THREADS="2", PYTHONHASHSEED="3") == once
    assert learnt(TOKENIZERS_PARALLELISM="false") == once


def test_the_order_of_texts_changes_nothing() -> None:
    draw = random.Random(2)
    texts = ["".join(draw.choices("abcdef ", k=30)) for _ in range(500)]
    forth = training.train([texts], 600)
    assert training.train([texts[:7], [], texts[:6:-1]], 600).fingerprint == forth.fingerprint


def test_end_of_text_is_the_last_id() -> None:
    vocabulary = training.train([["one two three"] * 5], 260)
    assert vocabulary.size == 260
    assert vocabulary.specials == {END_OF_TEXT: 259}
    assert sorted(vocabulary.entries.values()) == list(range(259))
    assert len(vocabulary.merges) == 3


@pytest.mark.parametrize("texts", [[], [""], ["a"], ["ab cd ef"], ["é"]])
def test_too_little_text_gives_fewer_entries(texts: list[str]) -> None:
    vocabulary = training.train([texts], 5000)
    assert vocabulary.size == 257
    assert vocabulary.end_of_text == 256
    tokenizer = Tokenizer(vocabulary)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_rare_pairs_are_left_alone() -> None:
    assert training.train([["abc"]], 300, min_frequency=1).size == 259
    assert training.train([["abc abc"]], 300, min_frequency=3).size == 257


def test_no_merge_crosses_words() -> None:
    vocabulary = training.train([["to be 12 to be 12! to be 12!!"] * 10], 400)
    for entry in vocabulary.entries:
        assert "Ġ" not in entry[1:]
        assert not any(character.isalpha() and character != "Ġ" for character in entry) or not any(
            character.isdigit() for character in entry
        )

"""Ids equal to Hugging Face's, whatever the vocabulary and the text; every byte comes back; nothing hangs."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models

from model.tokenizer import Tokenizer, alphabet, encoding, peer
from model.tokenizer.vocabulary import END_OF_TEXT, Vocabulary
from tests.model.tokenizer.conftest import Learn

LETTERS = "abc"
PROSE = ["The quick brown fox's tail; it's 10 o'clock.\n\nWe'll see 2,000 foxes  there, they'd say: été, 東京 😀!"] * 3


def peers_ids(vocabulary: Vocabulary, text: str) -> list[int]:
    """What `tokenizers` itself makes of a text."""
    model = models.BPE(vocab=dict(vocabulary.entries), merges=list(vocabulary.merges))
    ids: list[int] = peer.bare(model).encode(text, add_special_tokens=False).ids
    return ids


def of_merges(merges: list[tuple[str, str]], order: list[int] | None = None) -> Vocabulary:
    """A vocabulary of the bytes and some merges. order: a permutation, to give ids another order than merges have."""
    tokens = list(dict.fromkeys([*alphabet.byte_values(), *(left + right for left, right in merges)]))
    ids = order or list(range(len(tokens)))
    return Vocabulary(dict(zip(tokens, ids, strict=True)), merges, {END_OF_TEXT: len(tokens)})


@st.composite
def merge_lists(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Merges of tokens that exist by then, wild ones: no text needs to lead to them, two may make the same token."""
    tokens = [*LETTERS, "Ġ"]
    merges: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(0, 12))):
        pair = (draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens)))
        if pair not in merges and "Ġ" not in pair[1] and len("".join(pair)) <= 8:
            merges.append(pair)
            tokens.append("".join(pair))
    return merges


texts_of_letters = st.text(alphabet=f"{LETTERS}  \n", max_size=40)


@pytest.fixture(scope="module")
def gpt2_by_merges(gpt2: Tokenizer) -> Callable[[str], list[int]]:
    """GPT-2's vocabulary in `tokenizers`."""
    return peer.by_merges(gpt2.contents)


wild_texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200)


@settings(max_examples=400)
@given(merges=merge_lists(), texts=st.lists(texts_of_letters, min_size=1, max_size=8))
def test_any_merges_give_the_peers_ids(merges: list[tuple[str, str]], texts: list[str]) -> None:
    vocabulary = of_merges(merges)
    tokenizer = Tokenizer(vocabulary)
    for text in texts:
        assert tokenizer.encode(text) == peers_ids(vocabulary, text)


@settings(max_examples=100)
@given(merges=merge_lists(), text=texts_of_letters, data=st.data())
def test_ids_in_another_order_than_merges(merges: list[tuple[str, str]], text: str, data: st.DataObject) -> None:
    size = len(of_merges(merges).entries)
    vocabulary = of_merges(merges, data.draw(st.permutations(range(size))))
    assert Tokenizer(vocabulary).encode(text) == peers_ids(vocabulary, text)


@settings(max_examples=60)
@given(
    corpus=st.lists(st.text(alphabet=f"{LETTERS}{LETTERS} é", max_size=60), min_size=1, max_size=6),
    size=st.integers(257, 320),
    texts=st.lists(st.one_of(texts_of_letters, wild_texts), min_size=1, max_size=6),
)
def test_learnt_vocabularies_follow_from_ranks(learn: Learn, corpus: list[str], size: int, texts: list[str]) -> None:
    tokenizer = learn(corpus, size, min_frequency=1)
    assert tokenizer.contents.follows_from_ranks()
    for text in [*corpus, *texts]:
        assert tokenizer.encode(text) == peers_ids(tokenizer.contents, text)
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_what_does_not_follow_from_ranks_is_seen() -> None:
    crossing = of_merges([("b", "c"), ("a", "b"), ("ab", "c")])  # abc is a token, but "abc" is a, bc
    assert not crossing.follows_from_ranks()
    assert Tokenizer(crossing).encode("abc") == [crossing.entries["a"], crossing.entries["bc"]]
    assert not of_merges([("ab", "c"), ("a", "b")]).follows_from_ranks()
    twice = of_merges([("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")])
    assert not twice.follows_from_ranks()
    assert of_merges([("a", "b"), ("ab", "c")]).follows_from_ranks()


@settings(max_examples=150)
@given(text=wild_texts)
def test_gpt2s_ids_are_the_peers(gpt2: Tokenizer, gpt2_by_merges: Callable[[str], list[int]], text: str) -> None:
    assert gpt2.encode(text) == gpt2_by_merges(text)
    assert gpt2.decode(gpt2.encode(text)) == text


@settings(max_examples=300)
@given(content=st.binary(max_size=300))
def test_every_byte_comes_back(learn: Learn, content: bytes) -> None:
    tokenizer = learn(PROSE)
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(content)) == content
    assert tokenizer.decode(tokenizer.encode_bytes(content)) == content.decode("utf-8", "replace")


@settings(max_examples=100)
@given(text=wild_texts)
def test_bytes_of_a_text_are_encoded_as_the_text(learn: Learn, text: str) -> None:
    tokenizer = learn(PROSE)
    assert tokenizer.encode_bytes(text.encode()) == tokenizer.encode(text)


@pytest.mark.parametrize("follows", [True, False])
def test_surrogates(follows: bool) -> None:
    merges = [("b", "c"), ("a", "b")] if follows else [("b", "c"), ("a", "b"), ("ab", "c")]
    tokenizer = Tokenizer(of_merges(merges))
    assert tokenizer.contents.follows_from_ranks() == follows
    assert tokenizer.decode(tokenizer.encode("a\ud800b\udfff")) == "a\ufffdb\ufffd"
    assert tokenizer.decode(tokenizer.encode("\ud83d\ude00")) == "😀"


def test_every_character_is_cut_as_the_peer_cuts_it(learn: Learn) -> None:
    tokenizer = learn(PROSE)
    by_merges = peer.by_merges(tokenizer.contents)
    characters = [chr(code) for code in range(0x33500) if not 0xD800 <= code < 0xE000]  # beyond, no letters are defined
    for at in range(0, len(characters), 20_000):
        text = "".join(f"a{c}1{c} " for c in characters[at : at + 20_000])
        assert tokenizer.encode(text) == by_merges(text)


def test_special_tokens_are_not_read_out_of_texts(learn: Learn) -> None:
    tokenizer = learn(PROSE)
    ids = tokenizer.encode(END_OF_TEXT)
    assert tokenizer.end_of_text not in ids
    assert tokenizer.decode(ids) == END_OF_TEXT == tokenizer.decode([tokenizer.end_of_text])


def test_unknown_ids_are_refused(learn: Learn) -> None:
    tokenizer = learn(PROSE)
    for number in (-1, tokenizer.vocabulary):
        with pytest.raises(ValueError, match=f"{number} is not an id of this vocabulary of"):
            tokenizer.decode([number])


@pytest.mark.parametrize("unit", [" ", "\n", "\u3000", " \n\t"])
@pytest.mark.parametrize("after", ["", "x"])
def test_a_million_spaces(learn: Learn, unit: str, after: str) -> None:
    check_run(learn, unit * (1_100_000 // len(unit)) + after)


@pytest.mark.parametrize("unit", ["a", "é", "中", "1", "-", "'", "ab", "\x1c", "😀"])
def test_a_long_run_without_spaces(learn: Learn, unit: str) -> None:
    check_run(learn, unit * (200_000 // len(unit)))


def check_run(learn: Learn, text: str) -> None:
    tokenizer = learn([*PROSE, "aaaaaaaa    \n\n\n\n --------" * 3])
    began = time.monotonic()
    ids = tokenizer.encode(text)
    assert time.monotonic() - began < 30
    assert ids == peers_ids(tokenizer.contents, text)


@settings(max_examples=100)
@given(pieces=st.lists(st.sampled_from(["a", " ", "\n", "\x85", "\x1c", "  ", "'s", "1", "\u2003"]), max_size=30))
def test_cutting_long_spaces_changes_nothing(learn: Learn, pieces: list[str]) -> None:
    tokenizer = learn(PROSE)
    text = "".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "LONGEST_SPACE", 1)
        cut = list(encoding.parts(text))
    assert "".join(cut) == text
    assert [number for part in cut for number in tokenizer.encode(part)] == peers_ids(tokenizer.contents, text)

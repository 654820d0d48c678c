"""Text to ids and back: byte-level BPE with GPT-2's split pattern, by tiktoken where it is provably the same."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import tiktoken

from model.tokenizer import alphabet, peer
from model.tokenizer.vocabulary import Vocabulary

# GPT-2's pattern (openai/gpt-2, encoder.py): contractions, words, numbers, other signs, spaces. Its parts never need to
# give back what they took, but the one that leaves a word its space; saying so (++) spares the search for other ways.
CONTRACTION = r"'(?:s|t|re|ve|m|ll|d)"
SPLIT = "|".join(
    [CONTRACTION, r" ?\p{L}++", r" ?\p{N}++", r" ?[^\s\p{L}\p{N}]++", r"\s++$", r"\s+(?!\S)", r"\s"],
)
LONGEST_SPACE = 250_000
"""The regular expressions that tiktoken uses overflow (with a panic) after a million steps back in a run of spaces."""

# Unicode's White_Space, which is not what Python's \s means.
SPACES = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"


class Tokenizer:
    """GPT-2's byte-level BPE over a vocabulary.

    Nothing in a text is a special token: a text that has `<|endoftext|>` in it has these 13 characters.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.contents = vocabulary
        self.vocabulary: int = vocabulary.size
        self.end_of_text: int = vocabulary.end_of_text
        self.fingerprint: str = vocabulary.fingerprint

    @functools.cached_property
    def _encode_part(self) -> Callable[[str], list[int]]:
        return by_ranks(self.contents) if self.contents.follows_from_ranks() else peer.by_merges(self.contents)

    @functools.cached_property
    def _bytes_of(self) -> Mapping[int, bytes]:
        entries = {number: alphabet.unspelt(token) for token, number in self.contents.entries.items()}
        return entries | {number: text.encode() for text, number in self.contents.specials.items()}

    def encode(self, text: str) -> list[int]:
        """The ids of a text.

        A surrogate without its other half, which no UTF-8 can hold, counts as U+FFFD; two that belong together count
        as the character that they mean.
        """
        if len(text) <= LONGEST_SPACE:
            return self._encode_part(text)
        return [number for part in parts(text) for number in self._encode_part(part)]

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text."""
        return [self.encode(text) for text in texts]

    def encode_bytes(self, content: bytes) -> list[int]:
        """The ids of bytes that may be no UTF-8: `decode_bytes` gives back exactly these.

        Stretches of UTF-8 are encoded as the text that they are, each byte between them as a token of its own.
        """
        ids: list[int] = []
        for stretch in re.split("([\udc80-\udcff])", content.decode("utf-8", "surrogateescape")):
            if len(stretch) == 1 and "\udc80" <= stretch <= "\udcff":
                ids.append(self.contents.entries[alphabet.spelt(bytes([ord(stretch) - 0xDC00]))])
            else:
                ids += self.encode(stretch)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; bytes that are no UTF-8 become U+FFFD, as GPT-2 has it.

        Raises ValueError for an id that is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of ids.

        Raises ValueError for an id that is not in the vocabulary.
        """
        try:
            return b"".join([self._bytes_of[number] for number in ids])
        except KeyError as error:
            raise ValueError(f"{error} is not an id of this vocabulary of {self.vocabulary:,} entries") from None


def by_ranks(vocabulary: Vocabulary) -> Callable[[str], list[int]]:
    """An encoder by tiktoken, for a vocabulary that follows from its ranks.

    Ranks are the order of merges, not the ids, which may be in another order.
    """
    tokens = [*alphabet.byte_values(), *(left + right for left, right in vocabulary.merges)]
    ids = [vocabulary.entries[token] for token in tokens]
    ranks = {alphabet.unspelt(token): rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding("webtext", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
    if ids == list(range(len(ids))):
        return encoding.encode_ordinary
    return lambda text: list(map(ids.__getitem__, encoding.encode_ordinary(text)))


def parts(text: str) -> Iterator[str]:
    """Cut a text where the split pattern cuts it anyway: before the last of many spaces, which belongs to a word."""
    begin = 0
    for run in re.finditer(SPACES, text):
        if run.end() - run.start() > LONGEST_SPACE and run.end() < len(text):
            yield text[begin : run.end() - 1]
            begin = run.end() - 1
    yield text[begin:]

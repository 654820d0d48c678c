"""A byte-level vocabulary: tokens, the merges that make them, and the special tokens beside them."""

import collections
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer as PeerTokenizer
from tokenizers import models

from model.tokenizer import alphabet
from webtext.errors import UserError

END_OF_TEXT = "<|endoftext|>"

Merge = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Tokens with their ids, in GPT-2's spelling (see `alphabet`).

    entries: the 256 bytes and what merges make, without special tokens. merges: first the one to be done first.
    specials: text -> id; `<|endoftext|>` is one of them.
    """

    entries: Mapping[str, int]
    merges: Sequence[Merge]
    specials: Mapping[str, int]

    @property
    def size(self) -> int:
        """Every id is below it."""
        return max(itertools.chain(self.entries.values(), self.specials.values())) + 1

    @property
    def end_of_text(self) -> int:
        """The id of `<|endoftext|>`."""
        return self.specials[END_OF_TEXT]

    @functools.cached_property
    def fingerprint(self) -> str:
        """A sha256 over ids, merges and special tokens: equal for equal tokenizers, whatever files they came from."""
        content = [
            sorted(self.entries.items(), key=lambda entry: entry[1]),
            [list(merge) for merge in self.merges],
            sorted(self.specials.items(), key=lambda entry: entry[1]),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def check(self, source: str) -> None:
        """See that every text can be encoded and every id be decoded.

        Raises UserError, naming `source`, where the vocabulary is no byte-level one or contradicts itself.
        """
        fault = self._fault()
        if fault:
            raise UserError(f"the vocabulary {source}: {fault}; give the files of a GPT-2 tokenizer.")

    def _fault(self) -> str | None:
        if END_OF_TEXT not in self.specials:
            return f"it has no {END_OF_TEXT}, which ends a document"
        missing = sum(character not in self.entries for character in alphabet.byte_values())
        if missing:
            return f"it has no entry for {missing} of the 256 bytes, so that it cannot encode every text"
        spelling = set(alphabet.byte_values())
        foreign = next((entry for entry in self.entries if not spelling.issuperset(entry)), None)
        if foreign is not None:
            return f"its entry {foreign!r} is not spelt in GPT-2's way"
        ids = collections.Counter(itertools.chain(self.entries.values(), self.specials.values()))
        twice = [number for number, count in ids.items() if count > 1]
        if twice:
            return f"the id {min(twice)} belongs to two entries"
        if min(ids) < 0:
            return f"the id {min(ids)} is negative"
        for left, right in self.merges:
            for token in (left, right, left + right):
                if token not in self.entries:
                    return f"the merge of {left!r} and {right!r} needs {token!r}, which has no entry"
        return None

    def follows_from_ranks(self) -> bool:
        """Whether a token's place in the order of merges is all that encoding needs.

        Byte-pair encoding by merges joins a pair that is listed; by ranks (as tiktoken does) any two tokens whose joint
        bytes are a token. Both do the same where each token is made by one merge, of parts that are made earlier, and
        its bytes by themselves are encoded as this one token: whether two tokens that are neighbours in a text were
        joined before depends on the bytes between their outer ends alone, so that where the joint bytes of two
        neighbours are a token, they are the two that its merge joins. All vocabularies that were trained are so.
        """
        products = [left + right for left, right in self.merges]
        made = {product: turn for turn, product in enumerate(products)}
        if len(made) < len(products) or not made.keys().isdisjoint(alphabet.byte_values()):
            return False
        if any(max(made.get(left, -1), made.get(right, -1)) >= turn for turn, (left, right) in enumerate(self.merges)):
            return False
        whole = PeerTokenizer(models.BPE(vocab=dict(self.entries), merges=list(self.merges)))
        alone = whole.encode_batch_fast(products, add_special_tokens=False)
        return all(encoding.ids == [self.entries[token]] for encoding, token in zip(alone, products, strict=True))

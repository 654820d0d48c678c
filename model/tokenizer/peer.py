"""The same vocabulary as Hugging Face's `tokenizers` has it: what trains, what is saved, and what encodes by merges."""

from collections.abc import Callable

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from model.tokenizer.vocabulary import Vocabulary


def bare(model: models.BPE) -> Tokenizer:
    """A byte-level tokenizer with GPT-2's split pattern around a model."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def full(vocabulary: Vocabulary) -> Tokenizer:
    """What tokenizer.json holds: special tokens are known, and are found in texts."""
    entries = {**vocabulary.entries, **vocabulary.specials}
    tokenizer = bare(models.BPE(vocab=entries, merges=list(vocabulary.merges)))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    in_order = sorted(vocabulary.specials, key=lambda text: vocabulary.specials[text])
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in in_order])
    return tokenizer


def by_merges(vocabulary: Vocabulary) -> Callable[[str], list[int]]:
    """An encoder for vocabularies of every kind: slower than by ranks."""
    tokenizer = bare(models.BPE(vocab=dict(vocabulary.entries), merges=list(vocabulary.merges)))

    def encode(text: str) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return encode

"""Learning a vocabulary from texts."""

import json
from collections.abc import Iterable

from tokenizers import models, pre_tokenizers, trainers

from model.tokenizer import peer
from model.tokenizer.vocabulary import END_OF_TEXT, Vocabulary


def train(texts: Iterable[list[str]], size: int, *, min_frequency: int = 2, show_progress: bool = False) -> Vocabulary:
    """Byte-level BPE by Hugging Face's trainer, with `<|endoftext|>` as the last id.

    texts: in batches, read once; less than 2^31 bytes in all. size: entries wanted; texts with fewer pairs to merge
    give fewer. The same texts in whatever order give the same vocabulary, whatever the number of threads: equally
    frequent pairs are merged by the smaller ids first.
    """
    tokenizer = peer.bare(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1,
        min_frequency=min_frequency,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=show_progress,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [(left, right) for left, right in model["merges"]]
    return Vocabulary(model["vocab"], merges, {END_OF_TEXT: len(model["vocab"])})

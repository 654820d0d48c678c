"""Every key of `webtext tokenizer`: its meaning, its default, and what is allowed."""

from typing import Annotated

import pydantic

from webtext.settings import Section

BYTES = 256
FEWEST_ENTRIES = BYTES + 1
FEWER_THAN_PAIRS_THAT_OVERFLOW = 2**31 - 1


class TokenizerConfig(Section):
    """What `webtext tokenizer` does."""

    output: str
    """The run directory, whose corpus is read and whose folder tokenizer is written: local, or anything that fsspec
    writes."""
    vocabulary: Annotated[int, pydantic.Field(ge=FEWEST_ENTRIES, le=2**20)] = 50_257
    """Entries: the 256 bytes, what merges make, and `<|endoftext|>` (GPT-2: 50,257). A corpus with fewer pairs to merge
    gives fewer. Tokens are written with 16 bits, which holds 65,536."""
    sample_bytes: Annotated[int, pydantic.Field(gt=0, le=FEWER_THAN_PAIRS_THAT_OVERFLOW)] = 1_000_000_000
    """Bytes of text (UTF-8) to learn from at most; of a larger corpus a sample by document id. The trainer counts pairs
    with 32 bits (huggingface/tokenizers#2058), and a text has no more pairs than bytes: below 2^31 none overflows."""
    min_frequency: Annotated[int, pydantic.Field(ge=1)] = 2
    """A pair that the sample has less often is not merged."""
    import_from: str = ""
    """Instead of training, take the tokenizer of this folder: GPT-2's own encoder.json and vocab.bpe, vocab.json and
    merges.txt, or a tokenizer.json."""

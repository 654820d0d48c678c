"""GPT-2: the tokenizer, the network, its training and its use. Knows the corpus only as Parquet files on disk.

network = model.load("runs/sample/train")            # or a checkpoint, or a Hugging Face folder
tokenizer = model.load_tokenizer("runs/sample/train")
logits = network(torch.tensor([tokenizer.encode("Hello")]))
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.gpt2 import GPT2
    from model.tokenizer import Tokenizer


def load(path: str | os.PathLike[str], device: str = "cpu") -> "GPT2":
    """The network of a checkpoint, a training run or a Hugging Face folder: fp32, in eval mode.

    `network(ids)` takes ids of shape (batch, time) and gives logits of shape (batch, time, vocabulary).
    Raises UserError where the path holds no GPT-2 that can be read.
    """
    from model import checkpoint

    return checkpoint.load(path, device)


def load_tokenizer(path: str | os.PathLike[str]) -> "Tokenizer":
    """The tokenizer of the same three, of a RUN/tokenizer, or of GPT-2's own two vocabulary files.

    `encode(text)` gives a list of ids, `decode(ids)` a text. Raises UserError where the path holds none.
    """
    from model import tokenizer

    return tokenizer.load(os.fspath(path))

"""tokenizer: byte-level BPE with GPT-2's split pattern, trained on a corpus or taken as OpenAI published it."""

from model.tokenizer.encoding import Tokenizer
from model.tokenizer.files import copy_files, load

__all__ = ["Tokenizer", "copy_files", "load"]

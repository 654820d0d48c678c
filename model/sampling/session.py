"""A network and its tokenizer, loaded and ready to continue prompts as the options say."""

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import torch

from model import checkpoint, tokenizer
from model.gpt2 import GPT2
from model.sampling.choosing import Choice
from model.sampling.layout import arrange_for_reading
from model.sampling.shortlist import Shortlist, shortlist_of
from model.sampling.texts import Limits, Text, write_texts
from model.tokenizer import Tokenizer
from webtext.errors import UserError


@dataclasses.dataclass(frozen=True)
class Session:
    """What stays the same from prompt to prompt."""

    network: GPT2
    tokenizer: Tokenizer
    choice: Choice
    limits: Limits
    seed: int
    batch: int
    shortlist: Shortlist | None = None

    def texts(
        self, prompts: Sequence[bytes], *, listen: Callable[[str], None] | None = None, first: int = 0
    ) -> Iterator[Text]:
        """Continue prompts (UTF-8, or any other bytes). listen: is told pieces of the text as it comes, if it is one.

        first: the number of the first prompt, where others came before.
        """
        return write_texts(
            self.network,
            self.tokenizer,
            [self.tokenizer.encode_bytes(prompt) for prompt in prompts],
            choice=self.choice,
            limits=self.limits,
            seed=self.seed,
            batch=self.batch,
            first_number=first,
            listen=(lambda _number, piece: listen(piece)) if listen else None,
            shortlist=self.shortlist,
        )


def open_session(given: argparse.Namespace) -> Session:
    """Load what the options of `webtext sample` name.

    Raises UserError for a checkpoint that cannot be read, a tokenizer that is not its own, or options without meaning.
    """
    choice = Choice(given.temperature, given.top_k, given.top_p)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no GPU here; take cpu.")
    device = "cpu" if given.device == "cpu" or not torch.cuda.is_available() else "cuda"
    folder = checkpoint.find(given.checkpoint)
    own = tokenizer.load(folder)
    network = checkpoint.read(folder, device)
    if own.vocabulary > network.config.vocabulary:
        raise UserError(
            f"{folder}: the tokenizer has {own.vocabulary:,} entries and the network {network.config.vocabulary:,};"
            " they do not belong together."
        )
    if given.dtype == "bf16":
        network.bfloat16()
    arrange_for_reading(network)
    limits = Limits(given.max_tokens, tuple(given.stop))
    return Session(network, own, choice, limits, given.seed, given.batch, shortlist_of(network))

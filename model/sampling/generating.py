"""A batch of texts that grow token by token, each as if it were alone."""

import hashlib
import logging
from collections.abc import Sequence

import torch

from model.gpt2 import GPT2, Cache
from model.sampling.choosing import Choice, choose
from model.sampling.shortlist import Shortlist

log = logging.getLogger("webtext")


class Generation:
    """Continues a batch of prompts.

    Each row has a random stream of its own, made from the seed and the row's number: what its neighbours are, or when
    they end, changes nothing. (On some devices a product's last bits depend on the batch's size: a draw that falls
    between them may differ.)

    A text that outgrows the context is read again from its last half context on, and goes on from there; of a prompt
    that is too long, the last context is read.
    """

    def __init__(
        self,
        network: GPT2,
        prompts: Sequence[Sequence[int]],
        choice: Choice,
        *,
        seed: int,
        first_row: int = 0,
        shortlist: Shortlist | None = None,
    ) -> None:
        """prompts: each has at least one token. first_row: the number of the first, where a batch is part of more.

        shortlist: the network's; a single text whose choice is among few tokens is made faster by it.
        """
        assert all(prompts), "a prompt has no token"
        self._network = network
        self._choice = choice
        self._shortlist = shortlist if len(prompts) == 1 and choice.considered else None
        self._texts = [list(prompt) for prompt in prompts]
        self._draws = [_random_stream(seed, first_row + row) for row in range(len(prompts))]
        self._cache: Cache | None = None
        self.active = [True] * len(prompts)
        """Set a row to False to let it rest; its tokens are then of no meaning."""
        self._slid = False

    @torch.inference_mode()
    def step(self, vocabulary: int | None = None) -> list[int]:
        """The next token of each row. vocabulary: only ids below it may come; by default all that the network has."""
        hidden = self._read_prompts() if self._cache is None else self._read_last(self._cache)
        draws = torch.stack([torch.rand((), generator=draw, dtype=torch.float64) for draw in self._draws])
        tokens: list[int] = self._choose(hidden, draws, vocabulary).tolist()
        for text, token, active in zip(self._texts, tokens, self.active, strict=True):
            if active:
                text.append(token)
        return tokens

    def _choose(self, hidden: torch.Tensor, draws: torch.Tensor, vocabulary: int | None) -> torch.Tensor:
        if self._shortlist is None:
            return choose(self._network.logits(hidden)[:, :vocabulary], self._choice, draws)
        ids, logits = self._shortlist(hidden, self._choice.considered, vocabulary or self._network.config.vocabulary)
        return ids[choose(logits[None], self._choice, draws)]

    def _read_prompts(self) -> torch.Tensor:
        """The state after each prompt: (batch, width). Shorter prompts are padded on the right, where nobody looks."""
        network, context = self._network, self._network.config.context
        windows = [text[-context:] for text in self._texts]
        if windows != self._texts:
            self._tell("the prompt is longer than the context of %d tokens: its end is read")
        longest = max(map(len, windows))
        ids = torch.tensor([window + [0] * (longest - len(window)) for window in windows], device=self._device)
        weight = network.tokens.weight
        self._cache = Cache(network.config, len(windows), device=weight.device, dtype=weight.dtype)
        hidden = network.hidden(ids, cache=self._cache)
        self._cache.lengths = [len(window) for window in windows]
        last = torch.tensor(self._cache.lengths, device=self._device) - 1
        return hidden[torch.arange(len(windows), device=self._device), last]

    def _read_last(self, cache: Cache) -> torch.Tensor:
        """The state after each row's last token: (batch, width)."""
        context = self._network.config.context
        for row, text in enumerate(self._texts):
            if cache.lengths[row] == context:
                if self.active[row]:
                    self._tell("the text outgrew the context of %d tokens: from here on only its end is seen")
                kept = text[-max(1, context // 2) : -1]
                alone = cache.row(row)
                if kept:
                    self._network.hidden(torch.tensor([kept], device=self._device), cache=alone)
                cache.lengths[row] = len(kept)
        before = cache.lengths
        ids = torch.tensor([[text[-1]] for text in self._texts], device=self._device)
        hidden = self._network.hidden(ids, cache=cache)
        cache.lengths = [length + active for length, active in zip(before, self.active, strict=True)]
        return hidden[:, -1]

    @property
    def _device(self) -> torch.device:
        return self._network.tokens.weight.device

    def _tell(self, sentence: str) -> None:
        if not self._slid:
            self._slid = True
            log.warning(f"{sentence}.", self._network.config.context)


def _random_stream(seed: int, row: int) -> torch.Generator:
    """On the CPU, whatever the network's device; streams of neighbouring rows and seeds have nothing in common."""
    digest = hashlib.sha256(f"{seed} {row}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)

"""Prompts to texts: in batches, each text streamed to whoever listens, until it ends, stops or is long enough."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from model.gpt2 import GPT2
from model.sampling.choosing import Choice
from model.sampling.generating import Generation
from model.sampling.shortlist import Shortlist
from model.sampling.streaming import TextStream
from model.tokenizer import Tokenizer

Listener = Callable[[int, str], None]
"""Called with a text's number and the next piece of it; a piece holds whole characters and may be empty."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """When a text is over, beside <|endoftext|>."""

    max_tokens: int
    stops: Sequence[str] = ()
    """The text ends before the first of these, which is left out."""


class Text(NamedTuple):
    """One continuation."""

    text: str
    tokens: int
    """That were chosen for it, an end of text not counted."""
    ended: bool
    """Whether the network ended it, or a stop string; otherwise it was cut at the limit."""


def write_texts(
    network: GPT2,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    *,
    choice: Choice,
    limits: Limits,
    seed: int,
    batch: int,
    first_number: int = 0,
    listen: Listener | None = None,
    shortlist: Shortlist | None = None,
) -> Iterator[Text]:
    """A continuation of each prompt, in their order; `batch` of them are made at once.

    prompts: ids; an empty one begins as a document does, after <|endoftext|>. The text of a prompt depends on the seed
    and its number, which counts from `first_number`, not on `batch`.
    """
    begun = [list(prompt) or [tokenizer.end_of_text] for prompt in prompts]
    for first in range(0, len(begun), batch):
        number = first_number + first
        part = begun[first : first + batch]
        generation = Generation(network, part, choice, seed=seed, first_row=number, shortlist=shortlist)
        yield from _write_batch(generation, tokenizer, limits, number, listen)


def _write_batch(
    generation: Generation, tokenizer: Tokenizer, limits: Limits, first_number: int, listen: Listener | None
) -> list[Text]:
    rows = range(len(generation.active))
    streams = [TextStream(tokenizer.decode_bytes, limits.stops) for _ in rows]
    pieces: list[list[str]] = [[] for _ in rows]
    counts = [0 for _ in rows]
    ended = [False for _ in rows]

    def say(row: int, piece: str) -> None:
        pieces[row].append(piece)
        if listen is not None:
            listen(first_number + row, piece)

    for _ in range(limits.max_tokens):
        for row, token in enumerate(generation.step(tokenizer.vocabulary)):
            if not generation.active[row]:
                continue
            if token == tokenizer.end_of_text:
                ended[row] = True
            else:
                counts[row] += 1
                say(row, streams[row].push(token))
                ended[row] = streams[row].stopped
            generation.active[row] = not ended[row]
        if not any(generation.active):
            break
    for row in rows:
        say(row, streams[row].end())
    return [Text("".join(pieces[row]), counts[row], ended[row]) for row in rows]

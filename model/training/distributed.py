"""Several processes as one: what all of them say together, and how an error of one ends them all.

With one rank everything here is what one process does anyway.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist

from model.training.ranks import Ranks
from webtext.errors import UserError

LONGEST_SENTENCE = 4096

Result = TypeVar("Result")


@contextlib.contextmanager
def joined(ranks: Ranks) -> Iterator[None]:
    """The ranks as one group: gloo for what lies on the CPU, NCCL for what lies on a GPU."""
    if ranks.world == 1:
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def summed(ranks: Ranks, numbers: torch.Tensor) -> torch.Tensor:
    """Numbers added up over all ranks, in place."""
    if ranks.world > 1:
        dist.all_reduce(numbers)
    return numbers


def together(ranks: Ranks, work: Callable[[], Result]) -> Result:
    """Let every rank do something; a UserError of one becomes the same UserError of all.

    So no rank waits for one that has given up. Every rank must call it at the same point.
    """
    if ranks.world == 1:
        return work()
    try:
        result, sentence = work(), ""
    except UserError as error:
        result, sentence = None, str(error)
    sentence = _first_sentence(ranks, sentence)
    if sentence:
        raise UserError(sentence)
    return result  # type: ignore[return-value]


def wait_for_all(ranks: Ranks) -> None:
    """Go on when every rank has come here."""
    if ranks.world > 1:
        summed(ranks, torch.zeros(1))


def is_loss_of_a_rank(error: BaseException) -> bool:
    """Whether an error only says that another rank is gone."""
    words = ("gloo", "nccl", "connection", "peer")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def _first_sentence(ranks: Ranks, sentence: str) -> str:
    """The sentence of the lowest rank that has one, on all ranks."""
    speakers = [torch.zeros(1, dtype=torch.int64) for _ in range(ranks.world)]
    dist.all_gather(speakers, torch.tensor([int(bool(sentence))]))
    speaking = [rank for rank, speaks in enumerate(speakers) if speaks]
    if not speaking:
        return ""
    letters = torch.zeros(LONGEST_SENTENCE, dtype=torch.uint8)
    encoded: Sequence[int] = sentence.encode()[:LONGEST_SENTENCE]
    letters[: len(encoded)] = torch.tensor(list(encoded), dtype=torch.uint8)
    dist.broadcast(letters, src=speaking[0])
    return bytes(letters.tolist()).rstrip(b"\0").decode(errors="ignore")

"""Which tokens a step sees: an order that follows from the seed alone, not from the number of ranks or of restarts.

The split is cut into windows of `context` predictions, one token more than that to read; each epoch begins the cutting
at another token and takes the windows in another order.
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from webtext.errors import UserError

Positions = npt.NDArray[np.int64]


class Cut(NamedTuple):
    """How one epoch is cut: window i begins at token `offset + order[i] * context`."""

    offset: int
    order: Positions


class Order:
    """The sequences of a run, numbered from 0 without end; sequence n belongs to epoch n // `windows`."""

    def __init__(self, tokens: int, context: int, seed: int) -> None:
        """tokens: in the whole split. Raises UserError when they do not make up one sequence."""
        if tokens <= context:
            raise UserError(
                f"the training split has {tokens} tokens, but one sequence needs {context + 1};"
                " give a shorter context or a larger corpus."
            )
        self.context = context
        self.windows = max(1, (tokens - context) // context)
        """Sequences in an epoch: the same for every offset, so at most one window's tokens are left out of an epoch."""
        self._offsets = min(context, tokens - self.windows * context)
        self._seed = seed
        self._cut = functools.lru_cache(maxsize=2)(self._cut_epoch)  # a step may reach into the next epoch

    def starts(self, first: int, count: int) -> Positions:
        """The first token of each of the sequences `first` to `first + count`."""
        found = np.empty(count, dtype=np.int64)
        filled = 0
        while filled < count:
            epoch, place = divmod(first + filled, self.windows)
            offset, order = self._cut(epoch)
            taken = order[place : place + count - filled]
            found[filled : filled + len(taken)] = offset + taken * self.context
            filled += len(taken)
        return found

    def _cut_epoch(self, epoch: int) -> Cut:
        """Sorted by random keys: numpy promises that the bits of PCG64 stay the same, but not what it makes of them."""
        bits = np.random.PCG64([self._seed, epoch])
        offset = int(bits.random_raw() % self._offsets)
        return Cut(offset, np.argsort(bits.random_raw(self.windows), kind="stable"))

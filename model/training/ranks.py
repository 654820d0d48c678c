"""Who this process is among those that train together."""

import os
from typing import NamedTuple

from webtext.errors import UserError


class Ranks(NamedTuple):
    """This process among all that train together."""

    rank: int = 0
    world: int = 1
    local: int = 0
    """Its number on this machine, and that of its GPU."""

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0


def from_environment() -> Ranks:
    """What torchrun says of this process."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    values = [os.environ.get(name) for name in names]
    if values[1] in (None, "1"):
        return Ranks()
    if not all(value is not None and value.isdecimal() for value in values):
        raise UserError(f"WORLD_SIZE is set, but {' and '.join(names)} are not all numbers; start ranks with torchrun.")
    return Ranks(*(int(value or 0) for value in values))

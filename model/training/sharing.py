"""Who works on which matrix when several ranks train together, and how matrices come together and go apart again.

Work on whole matrices is shared out by cost: each rank owns some. Where every rank has all of them (data parallel), an
owner takes its own as they are, and all gather the results. Where each rank holds some rows of every one (FSDP2), one
exchange brings each owner its matrices whole, and another brings everybody their rows of the results.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard


class Sharing(Protocol):
    """A division of matrices among ranks; every matrix and its result have one shape and all one type."""

    @property
    def owned(self) -> Sequence[int]:
        """The indices of the matrices that this rank works on, ascending."""
        ...

    def gather(self, held: Sequence[Tensor]) -> list[Tensor]:
        """What this rank holds of all matrices -> the whole matrices that it owns."""
        ...

    def scatter(self, results: Sequence[Tensor], held: Sequence[Tensor]) -> list[Tensor]:
        """The results for the matrices that this rank owns -> the results for what it holds of all."""
        ...


def among_ranks(matrices: Sequence[Tensor], costs: Sequence[int]) -> Sharing:
    """The division that fits how matrices are held: by one process, by data parallel ranks, or as rows of DTensors.

    costs: of the work on each. Raises ValueError for DTensors that are shared out in another way.
    """
    shapes = [matrix.shape for matrix in matrices]
    sharded = [matrix for matrix in matrices if isinstance(matrix, DTensor)]
    if sharded:
        meshes = {matrix.device_mesh for matrix in sharded}
        if len(sharded) < len(matrices) or len(meshes) > 1 or any(each.placements != (Shard(0),) for each in sharded):
            raise ValueError(
                "only matrices that are all sharded by rows, over one mesh of one dimension, can be shared"
            )
        return Rows(shapes, costs, meshes.pop().get_group())
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        return Copies(shapes, costs)
    return Alone(len(matrices))


def local(tensor: Tensor | None) -> Tensor:
    """What this rank holds of a tensor: the same memory."""
    assert tensor is not None
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def shares(costs: Sequence[int], ranks: int) -> list[list[int]]:
    """The pieces of work that each rank owns, ascending: the costliest go first, each to whom has least to do."""
    loads = [0] * ranks
    owned: list[list[int]] = [[] for _ in range(ranks)]
    for index in sorted(range(len(costs)), key=lambda index: -costs[index]):
        rank = loads.index(min(loads))
        loads[rank] += costs[index]
        owned[rank].append(index)
    return [sorted(indices) for indices in owned]


def rows_held(rows: int, rank: int, ranks: int) -> int:
    """How many of a matrix's rows FSDP2 gives to a rank: equally many to all but the last ones."""
    most = -(-rows // ranks)
    return max(0, min(most, rows - rank * most))


class Alone:
    """One process holds and does everything."""

    def __init__(self, count: int) -> None:
        self.owned = range(count)

    def gather(self, held: Sequence[Tensor]) -> list[Tensor]:
        """All there is."""
        return list(held)

    def scatter(self, results: Sequence[Tensor], held: Sequence[Tensor]) -> list[Tensor]:  # noqa: ARG002
        """All there is."""
        return list(results)


class Copies:
    """Every rank holds all matrices whole."""

    def __init__(self, shapes: Sequence[torch.Size], costs: Sequence[int]) -> None:
        self._shares = shares(costs, dist.get_world_size())
        self.owned = self._shares[dist.get_rank()]
        self._longest = max(sum(shapes[index].numel() for index in share) for share in self._shares)

    def gather(self, held: Sequence[Tensor]) -> list[Tensor]:
        """What this rank owns: nothing is sent."""
        return [held[index] for index in self.owned]

    def scatter(self, results: Sequence[Tensor], held: Sequence[Tensor]) -> list[Tensor]:
        """Everybody's results. Shares are filled up to the longest, since all must send equally much."""
        flat = _flat(results, held[0])
        sent = torch.cat([flat, flat.new_zeros(self._longest - len(flat))])
        received = sent.new_empty(len(self._shares) * self._longest)
        dist.all_gather_into_tensor(received, sent)
        everything = list(held)
        for share, piece in zip(self._shares, torch.split(received, self._longest), strict=True):
            for index, result in zip(share, _cut(piece, [held[index].shape for index in share]), strict=True):
                everything[index] = result
        return everything


class Rows:
    """Every rank holds some rows of each matrix."""

    def __init__(self, shapes: Sequence[torch.Size], costs: Sequence[int], group: dist.ProcessGroup) -> None:
        self._group = group
        ranks = dist.get_world_size(group)
        self._shares = shares(costs, ranks)
        self.owned = self._shares[dist.get_rank(group)]
        self._held = [
            [torch.Size((rows_held(shape[0], rank, ranks), *shape[1:])) for shape in shapes] for rank in range(ranks)
        ]

    def gather(self, held: Sequence[Tensor]) -> list[Tensor]:
        """The rows that all ranks hold of what this rank owns, put together."""
        by_owner = [_flat([held[index] for index in share], held[0]) for share in self._shares]
        of_owned = [[shapes[index] for index in self.owned] for shapes in self._held]
        received = self._exchange(by_owner, of_owned)
        return [torch.cat(rows) for rows in zip(*received, strict=True)]

    def scatter(self, results: Sequence[Tensor], held: Sequence[Tensor]) -> list[Tensor]:
        """This rank's rows of all results, from their owners."""
        rows = [
            torch.split(result, [shapes[index][0] for shapes in self._held])
            for index, result in zip(self.owned, results, strict=True)
        ]
        by_holder = [_flat([of_matrix[rank] for of_matrix in rows], held[0]) for rank in range(len(self._held))]
        received = self._exchange(by_holder, [[held[index].shape for index in share] for share in self._shares])
        everything = list(held)
        for share, pieces in zip(self._shares, received, strict=True):
            for index, piece in zip(share, pieces, strict=True):
                everything[index] = piece
        return everything

    def _exchange(self, sent: Sequence[Tensor], shapes: Sequence[Sequence[torch.Size]]) -> list[list[Tensor]]:
        """Send a flat tensor to every rank; receive from each a flat tensor that is cut into `shapes`."""
        lengths = [sum(shape.numel() for shape in of_rank) for of_rank in shapes]
        together = torch.cat(list(sent))
        received = together.new_empty(sum(lengths))
        dist.all_to_all_single(received, together, lengths, [len(part) for part in sent], group=self._group)
        return [_cut(piece, of_rank) for piece, of_rank in zip(torch.split(received, lengths), shapes, strict=True)]


def _flat(tensors: Sequence[Tensor], like: Tensor) -> Tensor:
    """One after the other; `like` gives type and device where there are none."""
    return torch.cat([tensor.flatten() for tensor in tensors]) if tensors else like.new_empty(0)


def _cut(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """What `_flat` joined; there may be something behind it."""
    lengths = [shape.numel() for shape in shapes]
    return [piece.view(shape) for piece, shape in zip(torch.split(flat[: sum(lengths)], lengths), shapes, strict=True)]

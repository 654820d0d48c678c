"""Muon: momentum whose singular values are all made about one, for the matrices inside the network's blocks.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). Among several ranks each works out the
updates of its own share of the matrices (`model.training.sharing`).
"""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.training import sharing
from model.training.sharing import local

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic ax + bx^3 + cx^5 that acts on each singular value (Jordan et al.): so steep at zero that five steps
bring all between 0.01 and 1 to about 0.7 to 1.2, at the price of never converging to 1."""
STEPS = 5
MOMENTUM = 0.95
SMALLEST_NORM = 1e-7
LARGEST_STACK = 2**27
"""Numbers that one chain of products takes on at once: large enough to fill a GPU, small enough to spare its memory."""


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A parameter for Muon: (rows, columns), whole or, under FSDP2, a DTensor that is sharded by rows.

    parts: how many matrices lie one upon the other in it (3 for queries, keys and values); each is treated by itself.
    """

    name: str
    parameter: nn.Parameter
    parts: int = 1


class Muon:
    """Momentum with Nesterov's look ahead, orthogonalised, scaled to the size of AdamW's updates; decoupled decay.

    learning_rate may be changed between steps. momenta: the state, by parameter name, sharded as the parameters are.
    All ranks step together and end with the same bits.
    """

    def __init__(self, matrices: Sequence[Matrix], *, learning_rate: float, weight_decay: float) -> None:
        self.learning_rate = learning_rate
        self._weight_decay = weight_decay
        self.matrices = list(matrices)
        self.momenta = {matrix.name: torch.zeros_like(matrix.parameter.detach()) for matrix in matrices}
        parameters = [matrix.parameter for matrix in matrices]
        costs = [multiplications(matrix.parameter.shape, matrix.parts) for matrix in matrices]
        self._sharing = sharing.among_ranks(parameters, costs)
        self._dtype = torch.bfloat16 if any(each.is_cuda for each in parameters) else torch.float32

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters from their gradients; every one must have one."""
        if not self.matrices:
            return
        parameters = [local(matrix.parameter) for matrix in self.matrices]
        gradients = [local(matrix.parameter.grad) for matrix in self.matrices]
        momenta = [local(momentum) for momentum in self.momenta.values()]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        pairs = zip(gradients, momenta, strict=True)  # one by one: all in fp32 at once are as large as the weights
        directions = [gradient.lerp(momentum, MOMENTUM).to(self._dtype) for gradient, momentum in pairs]
        whole = self._sharing.gather(directions)
        mine = [self.matrices[index] for index in self._sharing.owned]
        updates = self._sharing.scatter(_updates(whole, [matrix.parts for matrix in mine]), directions)
        torch._foreach_mul_(parameters, 1 - self.learning_rate * self._weight_decay)
        torch._foreach_add_(parameters, updates, alpha=-self.learning_rate)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Roughly the nearest orthogonal matrices: U S V^T becomes U S' V^T with S' between about 0.7 and 1.2.

    matrices: (count, rows, columns), each treated by itself, in the type that products are computed in. bfloat16 is
    good enough: it moves S' by a few hundredths.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    norms = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True, dtype=torch.float32)
    x = x / norms.clamp(min=SMALLEST_NORM).to(x.dtype)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def update_scale(rows: int, columns: int) -> float:
    """What an orthogonal matrix is multiplied with, so that its numbers are as large as AdamW's updates usually are.

    Its root mean square is 1 / sqrt(max(rows, columns)), that of AdamW's about 0.2 (Liu et al., "Muon is scalable for
    LLM training", 2025), so that one learning rate serves both. On tiny shakespeare (4 layers of width 128, 300 steps
    of 1,024 bytes) the other usual scale, sqrt(max(1, rows / columns)), made equal at square matrices, ended within
    0.011 nats of this one at each of three rates.
    """
    return 0.2 * math.sqrt(max(rows, columns))


def multiplications(shape: Sequence[int], parts: int) -> int:
    """What `orthogonalise` costs, in multiplications of numbers."""
    rows, columns = shape[0] // parts, shape[1]
    small, large = min(rows, columns), max(rows, columns)
    return parts * STEPS * small * small * (2 * large + small)


def _updates(matrices: Sequence[Tensor], parts: Sequence[int]) -> list[Tensor]:
    """Orthogonal, scaled updates of matrices (rows, columns), all of one shape and its transpose in one chain."""
    pieces = [piece for matrix, count in zip(matrices, parts, strict=True) for piece in matrix.chunk(count)]
    alike: dict[tuple[int, int], list[int]] = {}
    for index, piece in enumerate(pieces):
        alike.setdefault((min(piece.shape), max(piece.shape)), []).append(index)
    done = list(pieces)
    for (small, large), indices in alike.items():
        at_once = max(1, LARGEST_STACK // (small * large))
        for start in range(0, len(indices), at_once):
            chain = indices[start : start + at_once]
            stack = torch.stack([pieces[i] if pieces[i].shape[0] == small else pieces[i].mT for i in chain])
            for i, update in zip(chain, orthogonalise(stack) * update_scale(small, large), strict=True):
                done[i] = update if pieces[i].shape[0] == small else update.mT
    ends = iter(done)
    return [torch.cat([next(ends) for _ in range(count)]) for count in parts]

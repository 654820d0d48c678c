"""Muon: momentum whose singular values are all made one, for the matrices inside the network's blocks."""

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic p(x) = ax + bx^3 + cx^5 that is applied to each singular value (Jordan et al., "Muon", 2024): steep at
zero, so that five steps bring values between 0.002 and 1 into about 0.7 to 1.2, at the price of not converging to 1."""

STEPS = 5
SMALLEST_NORM = 1e-7


def orthogonalise(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """The nearest orthogonal matrices, roughly: U S V^T becomes U S' V^T with S' between about 0.7 and 1.2.

    matrices: (count, rows, columns), each treated by itself. dtype: of the products; bfloat16 is exact enough (S' moves
    by a few hundredths). Returns the same shape in `dtype`.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).to(dtype)
    x = x / x.float().norm(dim=(-2, -1), keepdim=True).clamp(min=SMALLEST_NORM).to(dtype)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x

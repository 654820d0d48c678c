from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.training import muon
from model.training.muon import Matrix, Muon


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plain_step(
    weight: Tensor, gradient: Tensor, momentum: Tensor, parts: int, rate: float, decay: float
) -> tuple[Tensor, Tensor]:
    """One matrix after the other, in float64, as the method is written down."""
    momentum = 0.95 * momentum + 0.05 * gradient
    direction = 0.05 * gradient + 0.95 * momentum
    pieces = []
    for piece in direction.chunk(parts):
        x = piece / piece.norm()
        for _ in range(5):
            product = x @ x.T
            x = 3.4445 * x + (-4.7750 * product + 2.0315 * product @ product) @ x
        pieces.append(x * 0.2 * max(piece.shape) ** 0.5)
    return weight * (1 - rate * decay) - rate * torch.cat(pieces), momentum


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 16, 64), (2, 64, 16), (1, 1, 7), (4, 5, 5)])
def test_singular_values_come_near_one(shape: tuple[int, int, int]) -> None:
    values = torch.linalg.svdvals(muon.orthogonalise(drawn(*shape) * 100))
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_directions_are_kept_and_only_the_lengths_change() -> None:
    matrix = drawn(1, 12, 20)[0]
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ muon.orthogonalise(matrix[None])[0] @ right.T
    off_diagonal = turned - torch.diag(turned.diagonal())
    assert off_diagonal.abs().max() < 1e-4
    assert turned.diagonal().min() > 0.3


def test_small_singular_values_are_lifted() -> None:
    left, right = (torch.linalg.qr(drawn(16, 16, seed=seed)).Q for seed in (1, 2))
    matrix = left @ torch.diag(torch.logspace(0, -2, 16)) @ right
    values = torch.linalg.svdvals(muon.orthogonalise(matrix[None])[0])
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_size_does_not_matter_but_zero_stays_zero() -> None:
    matrix = drawn(1, 8, 8)
    torch.testing.assert_close(muon.orthogonalise(matrix), muon.orthogonalise(matrix * 1e4))
    assert muon.orthogonalise(torch.zeros(2, 8, 8)).abs().max() == 0


def test_transposing_commutes() -> None:
    matrices = drawn(3, 24, 10)
    torch.testing.assert_close(muon.orthogonalise(matrices.mT), muon.orthogonalise(matrices).mT)


def test_bfloat16_is_near_float32() -> None:
    matrices = drawn(4, 64, 128)
    exact = muon.orthogonalise(matrices)
    rough = muon.orthogonalise(matrices.bfloat16())
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() / exact.norm() < 0.03
    assert torch.linalg.svdvals(rough.float()).max() < 1.35


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 100))
@settings(max_examples=40)
def test_any_shape_gives_that_shape_and_no_long_vector(rows: int, columns: int, seed: int) -> None:
    result = muon.orthogonalise(drawn(2, rows, columns, seed=seed))
    assert result.shape == (2, rows, columns)
    assert torch.linalg.svdvals(result).max() < 1.3


def test_an_update_is_as_large_as_one_of_adamw() -> None:
    for rows, columns in ((64, 64), (256, 64), (64, 256)):
        update = muon.orthogonalise(drawn(1, rows, columns)) * muon.update_scale(rows, columns)
        assert 0.12 < update.pow(2).mean().sqrt() < 0.28


@pytest.mark.parametrize("largest_stack", [2**27, 1])
def test_batched_steps_equal_one_matrix_after_the_other(monkeypatch: pytest.MonkeyPatch, largest_stack: int) -> None:
    monkeypatch.setattr(muon, "LARGEST_STACK", largest_stack)
    shapes = {"qkv": (24, 8, 3), "projection": (8, 8, 1), "up": (32, 8, 1), "down": (8, 32, 1), "other": (8, 8, 1)}
    matrices = [
        Matrix(name, nn.Parameter(drawn(rows, columns, seed=at)), parts)
        for at, (name, (rows, columns, parts)) in enumerate(shapes.items())
    ]
    expected = {
        each.name: (each.parameter.detach().double(), torch.zeros_like(each.parameter).double()) for each in matrices
    }
    optimizer = Muon(matrices, learning_rate=0.02, weight_decay=0.1)
    for step in range(4):
        for at, each in enumerate(matrices):
            gradient = drawn(*each.parameter.shape, seed=100 * step + at)
            each.parameter.grad = gradient
            expected[each.name] = plain_step(*_swap(expected[each.name], gradient.double()), each.parts, 0.02, 0.1)
        optimizer.step()
    for each in matrices:
        torch.testing.assert_close(each.parameter.detach().double(), expected[each.name][0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(optimizer.momenta[each.name].double(), expected[each.name][1], rtol=1e-5, atol=1e-6)


def _swap(state: tuple[Tensor, Tensor], gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return state[0], gradient, state[1]


def test_queries_keys_and_values_are_three_matrices() -> None:
    fused = nn.Parameter(torch.zeros(24, 8))
    fused.grad = torch.cat([drawn(8, 8, seed=1), drawn(8, 8, seed=2) * 1e-3, drawn(8, 8, seed=3) * 1e3])
    Muon([Matrix("qkv", fused, parts=3)], learning_rate=1.0, weight_decay=0.0).step()
    sizes = [part.norm().item() for part in fused.detach().chunk(3)]
    assert max(sizes) / min(sizes) < 1.5


def test_steps_repeat_bit_for_bit() -> None:
    ends = []
    for _ in range(2):
        parameter = nn.Parameter(drawn(16, 8))
        optimizer = Muon([Matrix("m", parameter)], learning_rate=0.1, weight_decay=0.1)
        for step in range(3):
            parameter.grad = drawn(16, 8, seed=step)
            optimizer.step()
        ends.append(parameter.detach())
    assert torch.equal(*ends)


def test_nothing_to_do_is_no_error() -> None:
    Muon([], learning_rate=0.1, weight_decay=0.1).step()

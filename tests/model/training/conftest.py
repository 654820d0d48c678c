"""What the tests of training share."""

from pathlib import Path

import pytest
import torch

from tests.model.training.token_folders import write_tokens


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small RUN/tokens that many tests read."""
    return write_tokens(tmp_path_factory.mktemp("tokens") / "tokens")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    """Sums of several threads are rounded otherwise: runs that are compared to the bit must have equally many."""
    torch.set_num_threads(1)

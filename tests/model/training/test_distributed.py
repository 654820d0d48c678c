"""Ranks: who they are, and how what happens to one happens to all."""

import subprocess
import sys

import pytest
import torch.distributed as dist

from model.training import distributed, ranks
from model.training.ranks import Ranks
from tests.conftest import CHECKOUT
from webtext.errors import UserError

TWO_RANKS = """
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from model.training import distributed
from model.training.ranks import Ranks
from webtext.errors import UserError

rank = Ranks(int(sys.argv[1]), 2)
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank.rank, world_size=2)

def fail_on(*failing):
    if rank.rank in failing:
        raise UserError("rank %d has no wörld" % rank.rank)
    return rank.rank

assert distributed.together(rank, lambda: fail_on()) == rank.rank
for failing in ((0,), (1,), (0, 1)):
    try:
        distributed.together(rank, lambda: fail_on(*failing))
    except UserError as error:
        print(error)
print(distributed.summed(rank, torch.tensor([1.0 + rank.rank])).item())
distributed.wait_for_all(rank)
dist.destroy_process_group()
"""


def test_an_error_of_one_rank_is_the_same_error_of_all(tmp_path: pytest.TempPathFactory) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_RANKS, str(rank), f"{tmp_path}/store"],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert said[0] == said[1] == [*(f"rank {number} has no wörld" for number in (0, 1, 0)), "3.0"]


def test_one_process_is_the_first_and_only_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert ranks.from_environment() == Ranks(0, 1, 0)
    with distributed.joined(Ranks()):
        assert not dist.is_initialized()
    with pytest.raises(UserError, match="a mistake"):
        distributed.together(Ranks(), lambda: _fail("a mistake"))


def _fail(sentence: str) -> None:
    raise UserError(sentence)


def test_ranks_are_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert ranks.from_environment() == Ranks(3, 8, 1)
    assert not ranks.from_environment().first
    monkeypatch.delenv("LOCAL_RANK")
    with pytest.raises(UserError, match="start ranks with torchrun"):
        ranks.from_environment()


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("gloo"), False),
    ],
)
def test_the_loss_of_a_rank_is_told_from_a_defect(error: Exception, lost: bool) -> None:
    assert distributed.is_loss_of_a_rank(error) is lost

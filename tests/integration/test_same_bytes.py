"""Same input and config, same bytes: with any number of workers, any hash seed, any order of input, after any crash."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.integration.conftest import SAMPLE, Webtext, begun
from tests.integration.shards import shards

KILLS = 10


@pytest.mark.parametrize(
    ("workers", "seed"), [(1, "0"), (2, "12345")], ids=["one worker, seed 0", "two workers, seed 12345"]
)
def test_workers_and_hash_seeds_change_nothing(
    tmp_path: Path, webtext: Webtext, sample_run: Path, workers: int, seed: str
) -> None:
    done = webtext(
        *SAMPLE,
        *("--set", f"output={tmp_path}/run", "--set", f"extract.workers={workers}"),
        variables={"PYTHONHASHSEED": seed},
    )
    assert done.returncode == 0, done.stderr
    assert shards(tmp_path / "run") == shards(sample_run)


def test_the_order_of_the_input_files_changes_nothing(tmp_path: Path, webtext: Webtext, sample_run: Path) -> None:
    """The archives under names that sort the other way, the dumps listed from the last to the first."""
    archives = sorted((CHECKOUT / "samples" / "archives").iterdir())
    for place, archive in enumerate(reversed(archives)):
        suffixes = archive.name[archive.name.index(".") :]
        shutil.copy(archive, tmp_path / f"archive-{place:02d}{suffixes}")
    dumps = sorted((CHECKOUT / "samples" / "submissions").glob("RS_*"), reverse=True)
    done = webtext(
        *SAMPLE,
        *("--set", f"output={tmp_path}/run", "--set", f'fetch.archives=["{tmp_path}/archive-*"]'),
        *("--set", f"harvest.dumps=[{','.join(str(dump) for dump in dumps)}]"),
    )
    assert done.returncode == 0, done.stderr
    assert shards(tmp_path / "run") == shards(sample_run)


@pytest.mark.slow
def test_a_run_killed_ten_times_ends_with_the_same_bytes(tmp_path: Path, webtext: Webtext, sample_run: Path) -> None:
    run, dice = tmp_path / "run", random.Random(20171231)
    killed = 0
    for _ in range(KILLS):
        began = time.monotonic()
        with begun(run) as process:
            try:
                process.wait(timeout=dice.uniform(0.4, 1.8))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
        assert time.monotonic() - began < 60
    assert killed >= KILLS // 2, "most of the runs ended before they could be killed: shorten the waits"
    done = webtext(*SAMPLE, "--set", f"output={run}")
    assert done.returncode == 0, done.stderr
    assert shards(run) == shards(sample_run)
    assert not list(run.rglob("_temporary.*"))

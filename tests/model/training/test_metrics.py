import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.training import metrics
from model.training.metrics import Metrics, Row
from webtext.errors import UserError


def row(step: int, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "step": step,
        "tokens": 1024 * step,
        "loss": 4.0 - 0.01 * step,
        "lr": 6e-4,
        "grad_norm": 0.5,
        "tokens_per_second": 1e5,
        "mfu": 0.4,
        "seconds": 0.1,
    }
    return Row(**(values | changes))


def write(folder: Path, steps: range, after: int = 0, **changes: Any) -> None:
    with Metrics(folder, after=after) as open_metrics:
        for step in steps:
            open_metrics.write(row(step, **changes))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


KEYS = ["step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second", "mfu", "seconds"]


def test_a_row_has_these_keys_and_others_only_where_they_apply(tmp_path: Path) -> None:
    with Metrics(tmp_path) as open_metrics:
        open_metrics.write(row(1, mfu=None))
        open_metrics.write(row(2, validation_loss=3.5, cost=0.25, skipped=True))
    plain, full = rows(tmp_path)
    assert list(plain) == KEYS
    assert plain["mfu"] is None
    assert list(full) == [*KEYS, "validation_loss", "cost", "skipped"]
    assert (full["validation_loss"], full["cost"], full["skipped"]) == (3.5, 0.25, True)


def test_numbers_come_back_exactly_and_nan_is_null(tmp_path: Path) -> None:
    with Metrics(tmp_path) as open_metrics:
        open_metrics.write(row(1, loss=1 / 3, lr=1e-300))
        open_metrics.write(row(2, loss=math.nan, grad_norm=math.inf, skipped=True))
    first, second = rows(tmp_path)
    assert (first["loss"], first["lr"]) == (1 / 3, 1e-300)
    assert (second["loss"], second["grad_norm"]) == (None, None)
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_rows_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    with Metrics(tmp_path) as open_metrics:
        open_metrics.write(row(1))
        assert [each["step"] for each in rows(tmp_path)] == [1]


def test_a_resumed_run_has_no_gap_and_no_repeat(tmp_path: Path) -> None:
    write(tmp_path, range(1, 8))
    write(tmp_path, range(5, 10), after=4)
    assert [each["step"] for each in rows(tmp_path)] == list(range(1, 10))


@pytest.mark.parametrize("torn", [b'{"step": 5, "tok', b'{"step": 5}', b"\0\0\0\0\n", b"\xff\xfe", b"\n"])
def test_half_a_last_line_is_cut(tmp_path: Path, torn: bytes) -> None:
    write(tmp_path, range(1, 5))
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(torn)
    assert [each["step"] for each in metrics.read(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4]
    write(tmp_path, range(5, 7), after=4)
    assert [each["step"] for each in rows(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_a_new_run_over_the_rows_of_one_that_saved_nothing_begins_anew(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4), loss=9.0)
    write(tmp_path, range(1, 3))
    assert [each["loss"] for each in rows(tmp_path)] == [3.99, 3.98]


def test_bytes_of_what_is_kept_do_not_change(tmp_path: Path) -> None:
    write(tmp_path, range(1, 8))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    metrics.cut(tmp_path / "metrics.jsonl", 7)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    metrics.cut(tmp_path / "metrics.jsonl", 5)
    assert (tmp_path / "metrics.jsonl").read_bytes() == b"".join(before.splitlines(keepends=True)[:5])


def test_lost_rows_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, range(1, 4))
    with caplog.at_level(logging.WARNING, logger="webtext"):
        write(tmp_path, range(6, 7), after=5)
    assert "tells of 3 of the 5 steps" in caplog.text


def test_tensorboard_has_the_same_curves_and_purges_what_is_done_again(tmp_path: Path) -> None:
    write(tmp_path, range(1, 6), loss=9.0)
    write(tmp_path, range(4, 7), after=3, loss=1.0, validation_loss=2.0)
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in curves.Scalars("loss")] == [
        (1, 9.0),
        (2, 9.0),
        (3, 9.0),
        (4, 1.0),
        (5, 1.0),
        (6, 1.0),
    ]
    assert [event.step for event in curves.Scalars("validation_loss")] == [4, 5, 6]


KILLED = """
import os, signal, sys
from pathlib import Path
from model.training.metrics import Metrics, Row
with Metrics(Path(sys.argv[1])) as metrics:
    for step in range(1, 200):
        metrics.write(Row(step, step, 1.0, 1.0, 1.0, 1.0, None, 1.0))
        if step == 100:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_has_every_row_that_it_wrote(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[3], check=False)
    assert [each["step"] for each in rows(tmp_path)] == list(range(1, 101))


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no /dev/full here")
def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Metrics(tmp_path) as open_metrics, open("/dev/full", "ab", buffering=0) as full:  # noqa: PTH123
        monkeypatch.setattr(open_metrics, "_file", full)
        with pytest.raises(UserError, match=r"cannot write .*metrics\.jsonl: No space left on device"):
            open_metrics.write(row(1))

import io
import logging
import math
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training import watching
from model.training.metrics import Row
from webtext import logs


def row(step: int, validation_loss: float | None = None, **changes: float) -> Row:
    return Row(
        step=step,
        tokens=step * 1000,
        loss=3.25,
        lr=6e-4,
        grad_norm=0.75,
        tokens_per_second=123456.7,
        mfu=changes.get("mfu"),
        seconds=0.1,
        validation_loss=validation_loss,
        cost=changes.get("cost"),
    )


def test_a_sentence_says_what_a_person_wants_to_know() -> None:
    assert watching.sentence(row(5, 3.5, mfu=0.4567, cost=12.3), 1000, 5000) == (
        "step 5 of 1,000: loss 3.2500, validation 3.5000, lr 6.00e-04, norm 0.75, 123,457 tokens/s, MFU 45.7%, $12.30, "
        "1 h 23 min left"
    )
    assert watching.sentence(row(5), 10) == "step 5 of 10: loss 3.2500, lr 6.00e-04, norm 0.75, 123,457 tokens/s"


def test_a_curve_falls_as_the_loss_does() -> None:
    assert watching.curve([8, 7, 6, 5, 4, 3, 2, 1], 8) == "█▇▆▅▄▃▂▁"
    assert watching.curve([1.0, 1.0], 8) == "▁▁"
    assert watching.curve([], 8) == ""


@given(st.lists(st.floats(width=32), max_size=100), st.integers(1, 30))
def test_any_numbers_make_a_curve_no_wider_than_asked(values: list[float], width: int) -> None:
    line = watching.curve(values, width)
    assert len(line) == min(width, sum(math.isfinite(value) for value in values))
    assert set(line) <= set(watching.LEVELS)


def test_without_a_terminal_lines_come_with_validation_at_the_end_and_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100000, 10))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    with caplog.at_level(logging.INFO, logger="webtext"), watching.watching(steps=8, done=0) as show:
        for step in range(1, 9):
            show(row(step, validation_loss=3.0 if step == 4 else None))
    told = [int(record.message.split()[1]) for record in caplog.records]
    assert told == [3, 4, 7, 8]
    assert caplog.records[0].message.endswith("50 s left")
    assert not caplog.records[-1].message.endswith("left")


def test_after_a_return_to_a_checkpoint_time_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="webtext"), watching.watching(steps=100, done=50) as show:
        show(row(51))
        show(row(41, validation_loss=3.0))
    assert "step 41 of 100" in caplog.text


def test_on_a_terminal_a_bar_moves_and_log_lines_stay_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(logging.getLogger(), "handlers", [logs.StderrHandler()])
    monkeypatch.setattr(logging.getLogger("webtext"), "level", logging.INFO)
    with watching.watching(steps=10) as show:
        show(row(1))
        show(row(2, validation_loss=3.125))
        logging.getLogger("webtext").warning("step 3 is skipped")
    assert sys.stderr is terminal
    text = terminal.getvalue()
    for expected in ("2/10", "loss 3.2500", "123,457 tokens/s", "validation 3.1250"):
        assert expected in text
    assert re.search(r"\x1b\[2K(\x1b\[[0-9;?]*[a-zA-Z])*step 3 is skipped", text), "it tears the bar"

"""The bar on a terminal, and the lines elsewhere."""

import logging
import re

import pytest

from pipeline import progress, watching
from pipeline.progress import Standing
from webtext import logs

STANDING = Standing(40, 100, "links", "12.5/s, 5 s left", "30 pages; [longest] a.test", {"fetched": 30})


def test_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(logs, "on_a_terminal", lambda: False)
    with caplog.at_level(logging.INFO, "webtext"):
        with watching.progress("pages", 0, "bytes"):
            progress.tell("pages", STANDING)
            assert not caplog.messages
            monkeypatch.setattr(watching, "SECONDS_BETWEEN_LINES", 0)
            progress.tell("documents", STANDING)
            progress.tell("pages", STANDING)
        progress.tell("pages", STANDING)
    assert caplog.messages == ["pages      40 of 100 links, 12.5/s, 5 s left; 30 pages; [longest] a.test"]
    assert caplog.records[0].facts == {"stage": "pages", "done": 40, "total": 100, "fetched": 30}  # type: ignore[attr-defined]


def test_a_bar_shows_bytes_and_then_where_the_stage_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "on_a_terminal", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with watching.progress("pages", 1000, "bytes"):
        progress.advance("pages", 250)
    assert "250/1000" in capsys.readouterr().err
    with watching.progress("pages", 0, "bytes"):
        progress.tell("pages", STANDING)
    shown = capsys.readouterr().err
    assert "40/100" in shown
    assert "12.5/s, 5 s left" in shown
    assert "30 pages; [longest] a.test" in shown


def test_what_is_logged_stands_above_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "on_a_terminal", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    logs.set_up("text")
    with watching.progress("pages", 1000, "bytes"):
        progress.advance("pages", 250)
        logging.getLogger("webtext").info("a line of its own")
    shown = capsys.readouterr().err
    erased = r"(\x1b\[2K)(\x1b\[[0-9;?]*[a-zA-Z])*"
    assert re.search(rf"{erased}a line of its own", shown), shown


def test_a_bar_without_anything_to_show_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "on_a_terminal", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with watching.progress("pages", 0, "bytes"):
        pass
    assert "0/0" not in capsys.readouterr().err

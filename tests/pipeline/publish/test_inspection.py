"""webtext inspect shows what was kept, what was refused and why, and duplicates; results on stdout."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import urls
from pipeline.publish import differences, inspection, reporting, samples, wording
from webtext.errors import UserError

Make = Callable[..., Path]


def _inspect(run: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    inspection.add_arguments(parser)
    return inspection.run(parser.parse_args(["--output", str(run), *arguments]))


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_samples_fit_the_wish_and_differ_by_seed(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _inspect(finished_run, "--reason", "kept", "--count", "5", "--json")
    first = _lines(capsys)
    _inspect(finished_run, "--reason", "kept", "--count", "5", "--json")
    assert _lines(capsys) == first
    _inspect(finished_run, "--reason", "kept", "--count", "5", "--seed", "1", "--json")
    assert _lines(capsys) != first
    assert len(first) == 5
    assert all(row["outcome"] == "kept" and row["text"] for row in first)


def test_domain_and_stage_choose(finished_run: Path) -> None:
    views = samples.links(str(finished_run), samples.Wish(domain="bbc.co.uk", stage="pages", count=100))
    assert views
    assert all("bbc.co.uk" in view.url and view.stage == "pages" for view in views)
    assert samples.links(str(finished_run), samples.Wish(domain="co.uk", count=1))
    assert not samples.links(str(finished_run), samples.Wish(domain="bc.co.uk", count=1))


def test_a_refused_link_tells_its_reason(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _inspect(finished_run, "--reason", "http_error", "--count", "1")
    assert "failed in pages: http_error (status 503)" in capsys.readouterr().out


def test_one_link_is_shown_whole_by_id_and_by_any_spelling(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "http://www.github.com/page/2"
    _inspect(finished_run, "--id", urls.link_id(url))
    by_id = capsys.readouterr().out
    _inspect(finished_run, "--id", "https://github.com/page/2/")
    assert capsys.readouterr().out == by_id
    for words in (url, "sub2", "kept", "stands for", "Naïve café, page 2."):
        assert words in by_id


def test_a_duplicate_tells_to_whom_it_fell(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = samples.links(str(finished_run), samples.Wish(reason="near_duplicate", count=1))[0]
    _inspect(finished_run, "--id", view.id, "--json")
    found = _lines(capsys)[0]
    assert isinstance(found["fell_to"], dict)
    assert found["fell_to"]["similarity"] == pytest.approx(0.87)


def test_pairs_mark_the_words_that_differ(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _inspect(finished_run, "--duplicates", "--reason", "near_duplicate", "--count", "1")
    printed = capsys.readouterr().out
    assert "[-and a few words more-]" in printed
    assert "similarity 0.87" in printed


def test_pairs_stand_side_by_side_on_a_terminal(
    finished_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    _inspect(finished_run, "--duplicates", "--reason", "near_duplicate", "--count", "1")
    printed = capsys.readouterr().out
    assert "│" in printed
    assert "\x1b[1;7m" in printed


def test_hostile_titles_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in wording.clean("\x1b[2J\x07title")


def test_mistakes_are_told(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run is in"):
        _inspect(tmp_path)
    with pytest.raises(UserError, match=r"--reason too_long: not one of .*too_short"):
        _inspect(finished_run, "--reason", "too_long")
    with pytest.raises(UserError, match="--stage"):
        _inspect(finished_run, "--stage", "nowhere")
    with pytest.raises(UserError, match="no such link"):
        _inspect(finished_run, "--id", "0" * 32)
    with pytest.raises(UserError, match="neither an id"):
        _inspect(finished_run, "--id", "page 2")


@pytest.mark.parametrize("folders", [["corpus"], ["corpus", "duplicates", "documents"], ["documents", "links"]])
def test_unfinished_and_pruned_runs_can_be_looked_at(
    tmp_path: Path, make_run: Make, publish: Make, folders: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", count=80)
    publish(run)
    for folder in folders:
        shutil.rmtree(run / folder)
    assert _inspect(run, "--count", "3") == 0
    assert _inspect(run, "--duplicates") == 0
    assert capsys.readouterr().out or "documents" in folders


def test_a_release_alone_still_shows_its_texts(tmp_path: Path, make_run: Make, publish: Make) -> None:
    run = make_run(tmp_path / "run", count=80)
    publish(run)
    for folder in ("links", "pages", "documents", "duplicates"):
        shutil.rmtree(run / folder)
    views = samples.links(str(run), samples.Wish(reason="kept", count=40))
    assert len(views) == 40
    assert all(view.text for view in views)


def test_report_command_writes_and_says_where(
    tmp_path: Path, make_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", count=20)
    parser = argparse.ArgumentParser()
    reporting.add_arguments(parser)
    assert reporting.run(parser.parse_args(["--output", str(run)])) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    with pytest.raises(UserError, match="no run is in"):
        reporting.run(parser.parse_args(["--output", str(tmp_path / "nothing")]))


def test_only_the_surroundings_of_differences_are_condensed() -> None:
    text = " ".join(str(number) for number in range(100))
    left, _ = differences.side_by_side(text, text.replace(" 50 ", " fifty "))
    assert "".join(run.text for run in differences.condensed(left, 2)) == "… 48 49 50 51 52 … "
    same, _ = differences.side_by_side(text, text)
    assert "".join(run.text for run in differences.condensed(same, 2)) == "0 1 … "


@given(st.text(), st.text())
def test_runs_joined_are_the_texts(left: str, right: str) -> None:
    one, other = differences.side_by_side(left, right, words=10_000)
    assert "".join(run.text for run in one) == left
    assert "".join(run.text for run in other) == right
    assert ["".join(run.text.split()) for run in one if not run.differs] == [
        "".join(run.text.split()) for run in other if not run.differs
    ]

"""`webtext dumps`: what it says of months and files."""

from pathlib import Path

import pytest

from pipeline.harvest import inventory, months
from pipeline.harvest.months import Month
from tests.pipeline.harvest.test_checking import MAY, lines
from webtext import command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RS_2011-05.zst").write_bytes(lines(10))
    (tmp_path / "RS_v2_2011-05").write_bytes(lines(10))
    (tmp_path / "RS_2011-07.zst").write_bytes(lines(10, begin=MAY + 61 * 86_400))
    return tmp_path


def test_sequences() -> None:
    found = [Month(2010, 11), Month(2010, 12), Month(2011, 1), Month(2011, 3), Month(2011, 5), Month(2011, 6)]
    assert [tuple(map(str, each)) for each in inventory.runs(found)] == [
        ("2010-11", "2011-01"),
        ("2011-03", "2011-03"),
        ("2011-05", "2011-06"),
    ]
    assert list(inventory.runs([])) == []


def test_what_is_there_and_what_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["dumps", "RS_*", "--from", "2011-05", "--to", "2011-10"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "RS_2011-05.zst: plain, 10 lines, posts of 2011-05-01 to 2011-05-01: sound"
    assert said[3:] == [
        "2011-05 to 2011-10: 6 dumps are needed, 2 are at hand.",
        "2011-05 is there more than once, which does no harm: RS_2011-05.zst, RS_v2_2011-05",
        "missing: 4",
        "  2011-06  RS_2011-06.zst",
        "  2011-08 to 2011-10  RS_2011-08.zst ... RS_2011-10.zst",
        inventory.WHERE,
    ]


def test_only_the_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["dumps", "RS_*", "--from", "2011-05", "--to", "2011-08", "--missing"]) == 0
    assert capsys.readouterr().out == "RS_2011-06.zst\nRS_2011-08.zst\n"


def test_nothing_at_hand_and_nothing_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["dumps"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2005-06 to 2017-12: 151 dumps are needed, 0 are at hand.\nmissing: 151\n")


def test_the_config_tells_dumps_and_the_last_month(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my.yaml").write_text("output: run\nharvest: {dumps: ['RS_2011*'], before: 2011-08-01}\n")
    assert command.main(["dumps", "--config", "my.yaml", "--from", "2011-05", "--quick"]) == 0
    assert "2011-05 to 2011-07: 3 dumps are needed, 2 are at hand.\n" in capsys.readouterr().out


def test_months_whose_scores_are_useless(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["dumps", "--from", "2023-06", "--to", "2024-04"]) == 0
    said = capsys.readouterr().out
    assert [line[:7] for line in said.splitlines() if "the scores of the published dump" in line] == list(
        map(str, sorted(months.USELESS_SCORES))
    )
    assert "2023-07: part of" in said
    assert command.main(["dumps", "--to", "2011-01"]) == 0
    assert "scores" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "june"], "--from: 'june' is not a month like 2005-06"),
        (["--from", "2011-01", "--to", "2010-01"], "there is no month from 2011-01 to 2010-01"),
        (["--from", "1999-01"], "Reddit began in 2005-06"),
        (["absent/*"], "no file matches 'absent/*'"),
        (["--color"], "does not know --color"),
        (["RS_*", "--from", "2011-05", "--to", "2011-07", "--strict"], "missing or not sound: "),
    ],
)
def test_mistakes_are_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert command.main(["dumps", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_strict_and_sound(folder: Path) -> None:
    assert command.main(["dumps", "RS_*", "--from", "2011-05", "--to", "2011-05", "--strict"]) == 0
    (folder / "RS_2011-05.zst").write_bytes(b"")
    assert command.main(["dumps", "RS_*", "--from", "2011-05", "--to", "2011-05", "--strict"]) == 2

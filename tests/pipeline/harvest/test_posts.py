"""Files of posts: every line ends in one reason or in one row."""

import bz2
import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from pipeline import urls
from pipeline.harvest import dumps
from pipeline.harvest.posts import POSTS, InputFile, read_posts
from pipeline.harvest.rules import Rules
from pipeline.harvest.tallies import Tally

CUTOFF = 1514764800  # 2018-01-01T00:00:00Z, by date(1)


def _post(**changes: Any) -> bytes:
    post = {"id": "a", "url": "http://example.org/", "subreddit": "x", "score": 3, "created_utc": 1, "title": "t"}
    return orjson.dumps({**post, "is_self": False, **changes})


def _read(path: Path, kind: Any = "dump", rules: Rules | None = None, **options: Any) -> tuple[list[pa.Table], Tally]:
    *items, tally = read_posts(InputFile(str(path), kind), rules or Rules(), frozenset({"bad"}), **options)
    assert isinstance(tally, Tally)
    tables = [item for item in items if not isinstance(item, Tally)]
    assert len(tables) == len(items)
    assert all(table.schema == POSTS for table in tables)
    rows = sum(table.num_rows for table in tables)
    assert tally.lines == rows + sum(tally.reasons.values())
    return tables, tally


def test_rows_of_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "RS_2011-01.bz2"
    path.write_bytes(bz2.compress(_post(url="HTTP://www.Example.org/?a=1&amp;b=2#c", id="t3_a")))
    (table,), tally = _read(path)
    url = "http://www.example.org/?a=1&b=2"
    assert table.to_pylist() == [
        {
            "id": urls.link_id(url),
            "url": url,
            "post": "a",
            "subreddit": "x",
            "score": 3,
            "created_utc": 1,
            "title": "t",
            "source": "RS_2011-01.bz2",
        }
    ]
    assert tally == Tally("RS_2011-01.bz2", lines=1, reasons={}, scores=1, score_sum=3)


def test_every_reason(tmp_path: Path) -> None:
    lines = {
        "bad_json": b"{",
        "not_a_submission": b"[]",
        "self_post": _post(is_self=True),
        "no_url": _post(url=None),
        "no_score": _post(score=None),
        "no_date": _post(created_utc=None),
        "low_karma": _post(score=2),
        "too_late": _post(created_utc=CUTOFF),
        "blocked_subreddit": _post(subreddit="BAD"),
        "reddit_page": _post(url="/r/pics/comments/1"),
        "bad_url": _post(url="http://" + "a" * 500_000),
        "line_too_long": b"x" * (dumps.MAX_LINE_BYTES + 1),
    }
    path = tmp_path / "RS"
    path.write_bytes(b"\n".join([*lines.values(), _post(created_utc=CUTOFF - 1)]))
    tables, tally = _read(path)
    assert dict(tally.reasons) == dict.fromkeys(lines, 1)
    assert sum(table.num_rows for table in tables) == 1


@pytest.mark.parametrize(
    "url", ["//example.org/", "ftp://a.org/", "", " ", "example.org", "javascript:void(0)", "\x00"]
)
def test_bad_urls(url: str, tmp_path: Path) -> None:
    path = tmp_path / "RS"
    path.write_bytes(_post(url=url))
    tables, tally = _read(path)
    assert not tables
    assert dict(tally.reasons) == {"no_url" if not url else "bad_url": 1}


def test_rules_are_the_users(tmp_path: Path) -> None:
    path = tmp_path / "RS"
    path.write_bytes(b"\n".join([_post(score=9), _post(score=10), _post(score=10, created_utc=CUTOFF)]))
    _, tally = _read(path, rules=Rules(min_karma=10, before=datetime.date(2018, 1, 2)))
    assert dict(tally.reasons) == {"low_karma": 1}
    _, tally = _read(path, rules=Rules(min_karma=10, karma_rule="sum"))
    assert dict(tally.reasons) == {"too_late": 1}


def test_average_of_all_scores(tmp_path: Path) -> None:
    path = tmp_path / "RS"
    path.write_bytes(b"\n".join([_post(score=0), _post(score=-4), _post(score=7), _post(score=None)]))
    _, tally = _read(path)
    assert (tally.scores, tally.score_sum) == (3, 3)


def test_truncated_dump_is_used_and_told(tmp_path: Path) -> None:
    path = tmp_path / "RS_2011-01.bz2"
    path.write_bytes(bz2.compress(_post() + b"\n") + bz2.compress(_post(id="b"))[:-10])
    tables, tally = _read(path)
    assert sum(table.num_rows for table in tables) == 1
    assert dict(tally.reasons) == {"truncated": 1}
    (trouble,) = tally.troubles
    assert str(path) in trouble
    assert "after 1 lines" in trouble


def test_batches(tmp_path: Path) -> None:
    path = tmp_path / "RS"
    path.write_bytes(b"\n".join(_post(id=str(number)) for number in range(25)))
    tables, _ = _read(path, batch_rows=10)
    assert [table.num_rows for table in tables] == [10, 10, 5]


def test_lists_of_urls(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf# mine\r\nhttp://a.org/#x\r\n\n  https://b.org/ \nnonsense\n\xff\xfe\n # also\n")
    (table,), tally = _read(path, "urls")
    assert table["url"].to_pylist() == ["http://a.org/", "https://b.org/"]
    assert table["score"].to_pylist() == table["created_utc"].to_pylist() == [None, None]
    assert tally == Tally("list.txt", lines=4, reasons={"bad_url": 2})


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "RS"
    path.touch()
    assert _read(path) == ([], Tally("RS"))

"""Harvests one after the other: what is taken, what waits, what is never taken twice."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.harvest.reddit.harvest import TIMES_MISSED
from pipeline.harvest.submissions import Submission, read_submission
from tests.pipeline.harvest.reddit.conftest import DAY, NOW, Harvesting, Time
from tests.pipeline.harvest.reddit.server import INFO_PATH, Answer, FakeReddit, listing, post
from webtext import locks, storage
from webtext.errors import UserError

NEW = "/r/python/new"
Kept = Callable[[], dict[str, list[dict[str, Any]]]]


def ids(kept: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [row["id"] for rows in kept.values() for row in rows]


def pending(folder: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (folder / "reddit" / "pending.ndjson").read_bytes().splitlines()]


def newest_first(count: int, newest: int = NOW - 10 * DAY, gap: int = 60, first: int = 0) -> list[dict[str, Any]]:
    return [post(f"p{first + count - 1 - at:05}", newest - at * gap) for at in range(count)]


def test_old_posts_are_kept_by_month_in_the_format_of_dumps(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept
) -> None:
    reddit.listings[NEW] = [
        post("b2", 1_698_796_799.0, 7, title="half a pair \ud83d", url="http://example.org/?a=1&b=2"),
        post("a1", 1_698_796_800.0, 4),
    ]
    counts = harvesting()
    found = kept()
    assert {name: [row["id"] for row in rows] for name, rows in found.items()} == {
        "RS_2023-10.zst": ["b2"],
        "RS_2023-11.zst": ["a1"],
    }
    assert counts["kept"] == 2
    row = found["RS_2023-10.zst"][0]
    assert type(row["created_utc"]) is int
    assert row["retrieved_on"] == NOW
    assert "author" not in row
    assert "selftext" not in row
    assert read_submission(json.dumps(row).encode()) == Submission(
        "b2", "http://example.org/?a=1&b=2", "python", 7, 1_698_796_799, "half a pair \ufffd"
    )


def test_a_young_post_waits_and_is_kept_with_its_later_score(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, time: Time, tmp_path: Path
) -> None:
    reddit.listings[NEW] = [post("young", NOW - DAY, 1)]
    assert harvesting()["waiting"] == 1
    assert kept() == {}
    assert pending(tmp_path) == ["young"]
    assert not reddit.asked(INFO_PATH)
    time.now += 2 * DAY - 1
    harvesting()
    assert not reddit.asked(INFO_PATH), "a second too early"
    time.now += 1
    reddit.listings[NEW][0]["score"] = 250
    harvesting()
    assert [request.query["id"] for request in reddit.asked(INFO_PATH)] == ["t3_young"]
    assert [(row["id"], row["score"]) for rows in kept().values() for row in rows] == [("young", 250)]
    assert pending(tmp_path) == []


def test_scores_are_looked_up_a_hundred_at_a_time(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, time: Time
) -> None:
    reddit.listings[NEW] = newest_first(250, newest=NOW)
    harvesting()
    time.now += 4 * DAY
    harvesting()
    assert [len(request.query["id"].split(",")) for request in reddit.asked(INFO_PATH)] == [100, 100, 50]
    assert sorted(ids(kept())) == sorted(each["id"] for each in reddit.listings[NEW])


def test_all_pages_are_read_the_first_time_and_only_what_is_new_afterwards(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept
) -> None:
    reddit.listings[NEW] = newest_first(250)
    harvesting()
    assert [request.query.get("after") for request in reddit.asked(NEW)] == [None, "t3_p00150", "t3_p00050"]
    reddit.requests.clear()
    reddit.listings[NEW] = newest_first(120, newest=NOW - 5 * DAY, first=250) + reddit.listings[NEW]
    counts = harvesting()
    assert len(reddit.asked(NEW)) == 2
    assert counts["kept"] == 120
    assert counts["known"] == 80
    assert sorted(ids(kept())) == sorted(each["id"] for each in reddit.listings[NEW])


def test_nothing_new_changes_no_dump(reddit: FakeReddit, harvesting: Harvesting, time: Time, tmp_path: Path) -> None:
    reddit.listings[NEW] = newest_first(3)
    harvesting()
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "reddit").glob("RS_*")}
    time.now += DAY
    assert harvesting()["kept"] == 0
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "reddit").glob("RS_*")}
    assert before == after


def test_a_post_in_several_listings_is_taken_once(reddit: FakeReddit, harvesting: Harvesting, kept: Kept) -> None:
    reddit.listings |= {f"/r/python/{name}": newest_first(5) for name in ("new", "top", "rising")}
    reddit.listings["/domain/example.org/top"] = newest_first(6)
    counts = harvesting(listings=["new", "top", "rising"])
    assert (counts["kept"], counts["known"]) == (5, 10)
    assert harvesting(subreddits=[], domains=["example.org"], listings=["top"], top_of="week")["kept"] == 1
    assert len(ids(kept())) == 6
    assert [request.query["t"] for request in reddit.requests if "t" in request.query] == ["all", "week"]


def test_a_gap_is_told(
    reddit: FakeReddit, harvesting: Harvesting, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    reddit.listings[NEW] = newest_first(3)
    harvesting()
    reddit.listings[NEW] = newest_first(950, newest=NOW, gap=1, first=10)
    harvesting()
    assert "r/python has more new posts than Reddit lists" in caplog.text
    caplog.clear()
    reddit.listings[NEW] = newest_first(50, newest=NOW + 60, gap=1, first=2000)
    time.now += 120
    harvesting()
    assert "more new posts" not in caplog.text, "a small subreddit whose older posts were removed"


def test_posts_that_vanish_or_are_removed_while_they_wait(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, time: Time, tmp_path: Path
) -> None:
    reddit.listings[NEW] = [post("gone", NOW), post("removed", NOW - 1), post("stays", NOW - 2)]
    harvesting()
    reddit.listings[NEW] = [post("stays", NOW - 2)]
    reddit.by_id["removed"] = post("removed", NOW - 1, removed_by_category="moderator", title="[removed]")
    total = 0
    for harvests in range(1, TIMES_MISSED + 1):
        time.now += 4 * DAY
        total += harvesting()["vanished"]
        assert pending(tmp_path) == (["gone"] if harvests < TIMES_MISSED else [])
    assert total == 2
    assert ids(kept()) == ["stays"]


def test_children_that_are_no_posts_are_counted(reddit: FakeReddit, harvesting: Harvesting, kept: Kept) -> None:
    bad: list[Any] = [
        None,
        7,
        [],
        {},
        {"kind": "t1", "data": post("comment", NOW)},
        {"kind": "t3", "data": None},
        {"kind": "t3", "data": post("x" * 17, NOW)},
        {"kind": "t3", "data": post("../etc", NOW)},
        {"kind": "t3", "data": post("ok", NOW) | {"created_utc": None}},
        {"kind": "t3", "data": post("ok", NOW) | {"created_utc": 1e300}},
        {"kind": "t3", "data": post("ok", NOW) | {"created_utc": -5}},
    ]
    good = {"kind": "t3", "data": post("good", NOW - 9 * DAY) | {"score": {"no": 1}, "title": ["no"]}}
    reddit.upsets[NEW] = [Answer.of({"kind": "Listing", "data": {"children": [*bad, good], "after": None}})]
    counts = harvesting()
    assert (counts["malformed"], counts["kept"]) == (len(bad), 1)
    assert ids(kept()) == ["good"]
    assert "score" not in kept()["RS_2023-11.zst"][0]


def test_a_time_to_come_does_not_hide_what_follows(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, time: Time
) -> None:
    reddit.listings[NEW] = [post("future", NOW + 400 * DAY), *newest_first(50)]
    harvesting()
    reddit.listings[NEW] = newest_first(250, newest=NOW + DAY, first=50) + newest_first(50)
    time.now += 9 * DAY
    harvesting()
    assert len(ids(kept())) == 300


def test_a_listing_that_leads_to_itself_ends(reddit: FakeReddit, harvesting: Harvesting) -> None:
    reddit.upsets[NEW] = [Answer.of(listing([post("a", NOW)], after="t3_a"))] * 9
    harvesting()
    assert len(reddit.asked(NEW)) == 2


def test_long_harvests_are_saved_on_their_way(
    reddit: FakeReddit, harvesting: Harvesting, time: Time, tmp_path: Path
) -> None:
    posts = newest_first(200)
    seen: list[bool] = []

    def a_minute_passes() -> None:
        seen.append(bool(list((tmp_path / "reddit").glob("RS_*"))))
        time.now += 61

    bodies = [Answer.of(listing(posts[:100], "t3_p00100")).body, Answer.of(listing(posts[100:])).body]
    reddit.upsets[NEW] = [Answer(200, body, before=a_minute_passes) for body in bodies]
    harvesting()
    assert seen == [False, True]


class _CrashError(BaseException):
    pass


@pytest.mark.parametrize("writes", range(8))
def test_a_crash_at_any_write_loses_nothing_and_takes_nothing_twice(
    reddit: FakeReddit,
    harvesting: Harvesting,
    kept: Kept,
    time: Time,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    writes: int,
) -> None:
    """Between listing and writing, and between any two files that are written."""
    whole = storage.open_atomic
    reddit.listings[NEW] = [post("young", NOW), post("october", NOW - 20 * DAY), post("summer", NOW - 90 * DAY)]
    left = writes

    def dying(path: str) -> Any:
        nonlocal left
        if left == 0:
            raise _CrashError
        left -= 1
        return whole(path)

    monkeypatch.setattr(storage, "open_atomic", dying)
    crashes = 0
    for day in (0, 4, 5, 6):
        time.now = NOW + day * DAY
        try:
            harvesting()
        except _CrashError:
            crashes += 1
            left = 99
            harvesting()
    assert crashes == 1
    assert sorted(ids(kept())) == ["october", "summer", "young"]
    assert pending(tmp_path) == []


def test_what_was_read_before_an_error_is_kept(reddit: FakeReddit, harvesting: Harvesting, kept: Kept) -> None:
    reddit.listings[NEW] = newest_first(250)
    reddit.upsets[NEW] = [Answer.of(listing(reddit.listings[NEW][:100], "t3_p00150")), Answer.of({}, 401)] + [
        Answer.of({}, 401)
    ] * 2
    with pytest.raises(UserError, match="401"):
        harvesting()
    assert len(ids(kept())) == 100
    reddit.upsets[NEW] = []
    harvesting()
    assert len(ids(kept())) == 250


def test_a_damaged_dump_is_not_added_to(reddit: FakeReddit, harvesting: Harvesting, kept: Kept, tmp_path: Path) -> None:
    reddit.listings[NEW] = newest_first(20)
    harvesting()
    (dump,) = (tmp_path / "reddit").glob("RS_*.zst")
    damaged = dump.read_bytes()[:-9]
    dump.write_bytes(damaged)
    reddit.listings[NEW] = newest_first(25)
    with pytest.raises(UserError, match="is damaged"):
        harvesting()
    assert dump.read_bytes() == damaged
    dump.unlink()
    assert harvesting()["kept"] == 25


@pytest.mark.parametrize("name", ["pending.ndjson", "marks.json"])
@pytest.mark.parametrize("content", [b"\xff{", b"[1]", b'{"id": 1}'])
def test_a_damaged_memory_is_told(
    reddit: FakeReddit, harvesting: Harvesting, tmp_path: Path, name: str, content: bytes
) -> None:
    reddit.listings[NEW] = newest_first(1)
    harvesting()
    (tmp_path / "reddit" / name).write_bytes(content)
    if name == "marks.json" and content.startswith(b'{"id"'):
        harvesting()
        return
    with pytest.raises(UserError, match=name):
        harvesting()


def test_the_same_harvest_writes_the_same_bytes(
    reddit: FakeReddit, harvesting: Harvesting, time: Time, tmp_path: Path
) -> None:
    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / "reddit").iterdir() if path.is_file()}

    reddit.listings[NEW] = [*newest_first(30), post("y", NOW - 12 * DAY)]
    harvesting()
    first = contents()
    shutil.rmtree(tmp_path / "reddit")
    reddit.listings[NEW].reverse()
    harvesting()
    assert contents() == first


def test_two_harvests_at_once_are_refused(harvesting: Harvesting, tmp_path: Path) -> None:
    with locks.only_one(str(tmp_path / "reddit")), pytest.raises(UserError, match="another webtext works in"):
        harvesting()

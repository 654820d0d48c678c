"""Answers that Reddit really gave, recorded by PRAW's own tests, played to PRAW's client."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.harvest.reddit.harvest import Wishes, harvest
from pipeline.harvest.reddit.records import dump_line, read_post
from pipeline.harvest.submissions import Submission, SubmissionReason, read_submission
from tests.pipeline.harvest.reddit.conftest import Settings, Time
from tests.pipeline.harvest.reddit.server import Cassettes, serving
from webtext.errors import UserError

Kept = Callable[[], dict[str, list[dict[str, Any]]]]


@pytest.fixture
def recordings(shared_data: Path) -> Path:
    return shared_data / "reddit" / "praw_cassettes"


@pytest.fixture
def replay(recordings: Path, settings: Settings, tmp_path: Path, time: Time) -> Callable[..., Cassettes]:
    def play(*names: str, **wishes: Any) -> Cassettes:
        reddit = Cassettes(recordings, *names)
        with serving(reddit):
            settings(reddit.address)
            harvest(Wishes(**wishes), str(tmp_path / "reddit"), clock=time.clock)
        return reddit

    return play


def recorded_posts(recordings: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(recordings / "cassettes" / f"{name}.json.gz") as file:
        answer = json.load(file)["interactions"][1]["response"]["body"]["string"]
    return [child["data"] for child in json.loads(answer)["data"]["children"]]


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("TestSubredditListings.test_new", {"subreddits": ["askreddit"], "listings": ["new"]}),
        ("TestSubredditListings.test_top", {"subreddits": ["askreddit"], "listings": ["top"]}),
        ("TestSubredditListings.test_rising", {"subreddits": ["askreddit"], "listings": ["rising"]}),
        ("TestDomainListing.test_new", {"domains": ["youtube.com"], "listings": ["new"]}),
        ("TestDomainListing.test_top", {"domains": ["youtube.com"], "listings": ["top"]}),
        ("TestSubredditStreams.test_submissions", {"subreddits": ["all"], "listings": ["new"]}),
    ],
)
def test_recorded_listings_become_dumps(
    replay: Callable[..., Cassettes], recordings: Path, kept: Kept, name: str, wishes: dict[str, Any]
) -> None:
    reddit = replay(name, **wishes)
    posts = {each["id"]: each for each in recorded_posts(recordings, name)}
    rows = {row["id"]: row for found in kept().values() for row in found}
    assert len(posts) >= 99
    assert posts.keys() <= rows.keys()
    for post_id, post in posts.items():
        assert {key: rows[post_id][key] for key in ("url", "score", "title", "is_self", "subreddit")} == {
            key: post[key] for key in ("url", "score", "title", "is_self", "subreddit")
        }
        assert rows[post_id]["created_utc"] == int(post["created_utc"])
    assert all(request.headers["user-agent"].startswith("webtext tests PRAW/") for request in reddit.requests[1:])
    assert all(request.query.get("raw_json") == "1" for request in reddit.requests if request.method == "GET")


def test_a_domain_that_rises_nowhere(replay: Callable[..., Cassettes], kept: Kept) -> None:
    replay("TestDomainListing.test_rising", domains=["youtube.com"], listings=["rising"])
    assert kept() == {}


def test_recorded_posts_by_id(replay: Callable[..., Cassettes], tmp_path: Path, kept: Kept) -> None:
    """The recorded answers mix posts with comments and subreddits, of which none was asked for."""
    folder = tmp_path / "reddit"
    folder.mkdir()
    waiting = [{"id": f"5dec{number:02}", "created_utc": 1_479_400_000, "missed": 0} for number in range(33)]
    (folder / "pending.ndjson").write_text("".join(json.dumps(each) + "\n" for each in waiting))
    replay("TestReddit.test_info", subreddits=["askreddit"], listings=["new"])
    (rows,) = kept().values()
    assert {row["id"] for row in rows} == {each["id"] for each in waiting}
    assert all(isinstance(row["score"], int) for row in rows)


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("TestAuthImplicit.test_implicit__with_invalid_token", "/api/v1/me", "401"),
        ("TestInbox.test_message__unauthorized", "/message/messages/6i8om7/", "shows none"),
        ("TestRedditors.test_partial_redditors__not_found", "/api/user_data_by_account_ids", "shows none"),
    ],
)
def test_recorded_errors_are_sentences(
    recordings: Path, settings: Settings, tmp_path: Path, time: Time, name: str, path: str, words: str
) -> None:
    reddit = Cassettes(recordings, name)
    reddit.upsets["/r/python/new"] = reddit.upsets[path][:1] * 9
    with serving(reddit):
        settings(reddit.address)
        with pytest.raises(UserError, match=words):
            harvest(Wishes(["python"], listings=["new"]), str(tmp_path / "reddit"), clock=time.clock)


def test_every_post_that_praw_recorded_reads_the_same_from_the_dump(recordings: Path) -> None:
    with gzip.open(recordings / "submissions_api.ndjson.gz") as file:
        lines = file.read().splitlines()
    links = 0
    for line in lines:
        found = read_post({"kind": "t3", "data": json.loads(line)})
        assert found is not None
        before, after = read_submission(line), read_submission(dump_line(found, 1_700_000_000))
        assert before == after
        links += isinstance(after, Submission)
        assert not isinstance(after, SubmissionReason) or after in ("self_post", "no_url")
    assert len(lines) == 3957
    assert links > 2000

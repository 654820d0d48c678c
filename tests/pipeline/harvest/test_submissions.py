"""One line of a dump, in the formats of twenty years and in those of no year."""

import gzip
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.harvest.dumps import BrokenLine, lines
from pipeline.harvest.submissions import MAX_TITLE_LENGTH, Submission, SubmissionReason, read_submission, whole_number

POST: dict[str, Any] = {
    "id": "ca2wr",
    "url": "http://example.org/",
    "subreddit": "linux",
    "score": 333,
    "created_utc": 1275357420,
    "title": "A title",
    "is_self": False,
    "domain": "example.org",
}
READ = Submission("ca2wr", "http://example.org/", "linux", 333, 1275357420, "A title")


def _line(**changes: Any) -> bytes:
    return orjson.dumps({**POST, **changes})


def _line_without(*keys: str) -> bytes:
    return orjson.dumps({key: value for key, value in POST.items() if key not in keys})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (_line(), READ),
        (_line() + b"\r", READ),
        (b"  " + _line(), READ),
        (_line(created_utc="1275357420"), READ),
        (_line(created_utc=1275357420.0), READ),
        (_line(created_utc="1275357420.0"), READ),
        (_line(score=333.0), READ),
        (_line(id="t3_ca2wr"), READ),
        (_line(title="a &amp; b &lt;c&gt; &amp;lt;"), READ._replace(title="a & b <c> &lt;")),
        (_line(title=None), READ._replace(title="")),
        (_line(title=["x"]), READ._replace(title="")),
        (_line(title="x" * 5000), READ._replace(title="x" * MAX_TITLE_LENGTH)),
        (_line(subreddit=None), READ._replace(subreddit="")),
        (_line(score=-5), READ._replace(score=-5)),
        (_line_without("is_self"), READ),
        (_line_without("is_self", "domain"), READ),
        (_line(is_self=None, domain=None), READ),
        (_line(is_self=None, domain="self.com"), READ),
        (_line(url=None, url_overridden_by_dest="http://example.org/"), READ),
        (_line(url="", url_overridden_by_dest="http://example.org/"), READ),
        (_line(url="/r/pics/comments/1"), READ._replace(url="/r/pics/comments/1")),
        (_line(author="[deleted]", over_18=True, selftext="[removed]"), READ),
        (_line(unknown={"deep": [{"score": 1, "is_self": True}]}), READ),
    ],
)
def test_posts(line: bytes, expected: Submission) -> None:
    assert read_submission(line) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (_line(is_self=True), "self_post"),
        (_line(is_self=None, domain="self.linux"), "self_post"),
        (_line(url=None), "no_url"),
        (_line(url=""), "no_url"),
        (_line_without("url"), "no_url"),
        (_line(url=5), "bad_url"),
        (_line(url=["http://example.org/"]), "bad_url"),
        (_line(score=None), "no_score"),
        (_line_without("score"), "no_score"),
        (_line(score=True), "no_score"),
        (_line(score="many"), "no_score"),
        (_line(score={}), "no_score"),
        (_line().replace(b"333", b"9" * 400), "no_score"),
        (_line().replace(b"333", b"9" * 10_000), "bad_json"),
        (_line().replace(b"333", b"1e30"), "no_score"),
        (_line().replace(b"333", b"99999999999999999999"), "no_score"),
        (_line(created_utc=None), "no_date"),
        (_line(created_utc="yesterday"), "no_date"),
        (_line(created_utc="nan"), "no_date"),
        (_line(created_utc=0), "no_date"),
        (_line(created_utc=1275357420000), "no_date"),
        (_line(created_utc=-1), "no_date"),
        (_line_without("created_utc"), "no_date"),
        (_line(id=""), "not_a_submission"),
        (_line(id=5), "not_a_submission"),
        (_line_without("id"), "not_a_submission"),
        (b'{"id":"c1","body":"a comment","link_id":"t3_x","score":1,"created_utc":1}', "not_a_submission"),
        (b"null", "not_a_submission"),
        (b"[]", "not_a_submission"),
        (b'"text"', "not_a_submission"),
        (b"5", "not_a_submission"),
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (_line()[:-1], "bad_json"),
        (_line() + _line(), "bad_json"),
        (_line().replace(b"333", b"NaN"), "bad_json"),
        (_line().replace(b"333", b"-Infinity"), "bad_json"),
        (_line().replace(b"A title", b"\xff\xfe"), "bad_json"),
        (_line().replace(b"A title", b"\x00"), "bad_json"),
        (b"[" * 100_000 + b"]" * 100_000, "bad_json"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "bad_json"),
        (bytes(range(256)), "bad_json"),
    ],
)
def test_what_cannot_become_a_link(line: bytes, reason: str) -> None:
    assert read_submission(line) == SubmissionReason(reason)


def test_lone_surrogates_are_no_reason_to_lose_a_post() -> None:
    line = _line().replace(b"A title", rb"cut \ud83d")
    assert read_submission(line) == READ._replace(title="cut \ufffd")
    assert read_submission(_line().replace(b"A title", rb"\ud83d\ude00")) == READ._replace(title="\U0001f600")


def test_deep_but_honest_nesting() -> None:
    deep = b"[" * 3_000 + b"]" * 3_000
    read = read_submission(_line().replace(b'"A title"', deep))
    assert read in (READ._replace(title=""), SubmissionReason.BAD_JSON)


def test_last_of_repeated_keys_counts() -> None:
    assert read_submission(_line()[:-1] + b',"score":1}') == READ._replace(score=1)
    assert read_submission(_line()[:-1] + rb',"score":2,"x":"\ud800"}') == READ._replace(score=2)


@given(st.binary(max_size=200))
def test_never_raises_on_bytes(line: bytes) -> None:
    assert isinstance(read_submission(line), SubmissionReason | Submission)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(POST, JSON)))
def test_never_raises_on_any_types(changes: dict[str, Any]) -> None:
    read = read_submission(json.dumps({**POST, **changes}).encode())
    if isinstance(read, Submission):
        assert isinstance(read.score, int)
        assert isinstance(read.created_utc, int)
        for text in (read.id, read.url, read.subreddit, read.title):
            text.encode()


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), (5.9, 5), ("5", 5), ("5.0", 5), (True, None), ("", None), ("inf", None), (float("nan"), None), ([], None)],
)
def test_whole_number(value: object, number: int | None) -> None:
    assert whole_number(value) == number


# Real lines


def _reasons(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in lines(str(path)):
        assert not isinstance(line, BrokenLine)
        read = read_submission(line)
        counts[read if isinstance(read, SubmissionReason) else "submission"] += 1
    return counts


def test_real_months(shared_data: Path) -> None:
    reddit = shared_data / "reddit"
    assert _reasons(reddit / "pushshift_rs_2005" / "RS_v2_2005-06.xz") == {"submission": 103}
    assert _reasons(reddit / "rs_six_eras_sample" / "RS_mixed.ndjson") == {"submission": 19, "self_post": 12}
    assert set(_reasons(reddit / "rs_six_eras_sample" / "RC_mixed.ndjson")) == {"not_a_submission"}


def test_real_answers_of_the_api(shared_data: Path) -> None:
    path = shared_data / "reddit" / "praw_cassettes" / "submissions_api.ndjson.gz"
    counts = _reasons(path)
    with gzip.open(path) as file:
        posts = [json.loads(line) for line in file]
    assert counts["self_post"] == sum(post.get("is_self") is True for post in posts)
    assert counts["submission"] == len(posts) - counts["self_post"]


def test_json_that_parsers_must_refuse(shared_data: Path) -> None:
    with tarfile.open(shared_data / "web" / "json_malformed" / "json_malformed.tar.gz") as archive:
        cases = {
            Path(member.name).name: file.read()
            for member in archive
            if member.isfile() and member.name.endswith(".json") and (file := archive.extractfile(member))
        }
    refused = {name: content for name, content in cases.items() if name.startswith("n_") and content.strip()}
    accepted = {name: content for name, content in cases.items() if name.startswith("y_")}
    assert len(refused) > 150
    assert len(accepted) > 80
    for name, content in refused.items():
        assert read_submission(content) is SubmissionReason.BAD_JSON, name
    for name, content in accepted.items():
        assert read_submission(content) is SubmissionReason.NOT_A_SUBMISSION, name

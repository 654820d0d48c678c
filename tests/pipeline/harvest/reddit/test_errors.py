"""Everything that Reddit can answer instead of a listing, and what becomes of it."""

import gzip
import re
import time as real_time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.harvest.reddit import requestor
from pipeline.harvest.reddit.asking import WAITS
from pipeline.harvest.reddit.requestor import LONGEST_WAIT
from tests.pipeline.harvest.reddit.conftest import DAY, NOW, Harvesting, Settings, Time
from tests.pipeline.harvest.reddit.server import INFO_PATH, TOKEN_PATH, Answer, FakeReddit, listing, post
from webtext.errors import UserError

NEW = "/r/python/new"
OTHER = "/r/rust/new"
HTML = b"<html><title>Reddit is down</title></html>"
OURS_AND_PRAWCORES = 3
"""prawcore asks three times before it gives up, in each of our tries."""
Kept = Callable[[], dict[str, list[dict[str, Any]]]]

DEEP = b"[" * 200_000
TRANSIENT = {
    "500": (Answer(500, HTML), "Reddit answers 500"),
    "502": (Answer(502, HTML), "Reddit answers 502"),
    "503": (Answer(503), "Reddit answers 503"),
    "520": (Answer(520, HTML), "Reddit answers 520"),
    "599": (Answer(599, HTML), "Reddit answers 599"),
    "429": (Answer(429, b"too fast"), "429"),
    "no JSON": (Answer(200, HTML), "no listing"),
    "empty": (Answer(200, b""), "no listing|not understood"),
    "no object": (Answer(200, b"[]"), "no listing"),
    "null": (Answer(200, b"null"), "no listing"),
    "no children": (Answer(200, b'{"kind": "Listing", "data": {"after": null}}'), "no listing"),
    "children of another kind": (Answer(200, b'{"data": {"children": {"a": 1}}}'), "no listing"),
    "204": (Answer(204, b""), "no listing"),
    "brackets without end": (Answer(200, DEEP), "no listing|not understood"),
    "not UTF-8": (Answer(200, b'{"data": "\xff\xfe'), "no listing|not understood"),
    "shorter than it says": (
        Answer(200, b"{}", {"Content-Length": "999", "Connection": "close"}),
        "no connection|breaks",
    ),
    "a lying encoding": (Answer(200, b"no gzip", {"Content-Encoding": "gzip"}), "breaks off|no connection"),
    "a limit without number": (
        Answer(500, b"", {"x-ratelimit-remaining": "many", "x-ratelimit-used": "", "x-ratelimit-reset": "-"}),
        "500",
    ),
}


@pytest.fixture(autouse=True)
def good_listings(reddit: FakeReddit) -> None:
    reddit.listings[NEW] = [post("a", NOW - 9 * DAY)]
    reddit.listings[OTHER] = [post("b", NOW - 9 * DAY)]


@pytest.mark.parametrize("name", TRANSIENT)
def test_what_may_pass_is_asked_again(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, time: Time, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    answer, words = TRANSIENT[name]
    reddit.upsets[NEW] = [answer] * (OURS_AND_PRAWCORES + 1)
    with caplog.at_level("INFO", "webtext"):
        counts = harvesting()
    assert counts["kept"] == 1
    said = [record.getMessage() for record in caplog.records if "asking again" in record.getMessage()]
    assert said
    assert time.slept == list(WAITS[: len(said)])
    assert all(any(word in sentence for word in words.split("|")) for sentence in said), said


@pytest.mark.parametrize("name", ["500", "429", "no JSON", "204"])
def test_what_does_not_pass_is_passed_over(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, time: Time, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    reddit.upsets[NEW] = [TRANSIENT[name][0]] * 99
    counts = harvesting(subreddits=["python", "rust"])
    assert counts["passed_over"] == 1
    assert "r/python is passed over: " in caplog.text
    assert time.slept == list(WAITS)
    assert [row["id"] for rows in kept().values() for row in rows] == ["b"]


def test_when_nothing_answers_it_is_reddit_that_fails(reddit: FakeReddit, harvesting: Harvesting, time: Time) -> None:
    names = ["one", "two", "three", "four"]
    for name in names:
        reddit.upsets[f"/r/{name}/new"] = [Answer(503)] * 99
    with pytest.raises(UserError, match=r"^Reddit answers 503, again and again; what was taken is kept"):
        harvesting(subreddits=names)
    assert not reddit.asked("/r/four/new")
    with pytest.raises(UserError, match=r"Reddit shows none of what harvest.reddit names"):
        harvesting(subreddits=["one"])


REFUSALS = {
    "private": (Answer.of({"reason": "private", "message": "Forbidden", "error": 403}, 403), r"private \(.* 403\)"),
    "banned": (Answer.of({"reason": "banned", "message": "Not Found", "error": 404}, 404), r"banned \(.* 404\)"),
    "quarantined": (Answer.of({"reason": "quarantined", "error": 403}, 403), r"quarantined \(.* 403\)"),
    "forbidden": (Answer(403, HTML), "not open to this app"),
    "not there": (Answer(404, HTML), "not there, or banned"),
    "elsewhere": (Answer(302, b"", {"Location": "/subreddits/search?q=x"}), "no such place"),
    "nowhere": (Answer(302), "no such place|not understood"),
    "for legal reasons": (Answer(451, HTML), "451"),
    "bad request": (Answer.of({"message": "Bad Request", "error": 400}, 400), "400"),
    "bad request with fields": (Answer.of({"fields": ["a", "b"], "reason": "X"}, 400), "400|not understood"),
    "bad request without reason": (Answer.of({"explanation": "no"}, 400), "400|not understood"),
    "a reason to be afraid of": (Answer.of({"reason": "\x1b[31m" + "x" * 999}, 403), "not open to this app"),
    "gone": (Answer(410, HTML), "410"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_shown_is_told_and_passed_over(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    answer, words = REFUSALS[name]
    reddit.upsets[NEW] = [answer] * 20
    counts = harvesting(subreddits=["python", "rust"])
    assert counts["passed_over"] == 1
    (sentence,) = [record.getMessage() for record in caplog.records if "passed over" in record.getMessage()]
    assert sentence.startswith("r/python is passed over: ")
    assert "\x1b" not in sentence
    assert re.search(words, sentence), sentence
    assert [row["id"] for rows in kept().values() for row in rows] == ["b"]


CREDENTIALS = {
    "unknown app": (TOKEN_PATH, Answer.of({"message": "Unauthorized", "error": 401}, 401), "401: it does not know"),
    "wrong password": (TOKEN_PATH, Answer.of({"error": "invalid_grant"}), "no token .invalid_grant"),
    "blocked": (TOKEN_PATH, Answer(403, HTML), "answers 403 instead of a token; look at user_agent"),
    "not there": (TOKEN_PATH, Answer(404, HTML), "answers 404 instead of a token"),
    "elsewhere": (TOKEN_PATH, Answer(307, b"", {"Location": NEW}), "answers 307 instead of a token"),
    "token refused": (NEW, Answer(401, b"{}", {"www-authenticate": 'Bearer error="invalid_token"'}), "401"),
    "token refused without a word": (NEW, Answer(401, b"{}"), "401"),
    "scope": (NEW, Answer(403, b"{}", {"www-authenticate": 'Bearer error="insufficient_scope"'}), "scope read"),
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_what_the_user_must_mend_is_one_sentence_at_once(
    reddit: FakeReddit, harvesting: Harvesting, time: Time, name: str
) -> None:
    path, answer, words = CREDENTIALS[name]
    reddit.upsets[path] = [answer] * 9
    with pytest.raises(UserError, match=words) as caught:
        harvesting()
    assert caught.value.__suppress_context__
    assert time.slept == []


@pytest.mark.parametrize("answer", [Answer(503), Answer(200, HTML), Answer(200, b"{}"), Answer(429), Answer(200, b"7")])
def test_a_token_that_does_not_come_is_asked_for_again(
    reddit: FakeReddit, harvesting: Harvesting, time: Time, answer: Answer
) -> None:
    reddit.upsets[TOKEN_PATH] = [answer, answer]
    assert harvesting()["kept"] == 1
    assert time.slept == list(WAITS[:2])


def test_a_token_that_expired_is_renewed(reddit: FakeReddit, harvesting: Harvesting, time: Time) -> None:
    reddit.upsets[NEW] = [Answer(401, b"{}", {"www-authenticate": 'Bearer error="invalid_token"'})]
    assert harvesting()["kept"] == 1
    assert len(reddit.asked(TOKEN_PATH)) == 2
    assert time.slept == []


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("2", WAITS[0]),
        ("40", 40),
        ("40.7", 40),
        ("999999", LONGEST_WAIT),
        ("Wed, 21 Oct 2026 07:28:00 GMT", WAITS[0]),
        ("-1", WAITS[0]),
        ("nan", WAITS[0]),
    ],
)
def test_retry_after_is_honoured_within_bounds(
    reddit: FakeReddit, harvesting: Harvesting, time: Time, header: str, waits: float
) -> None:
    reddit.upsets[NEW] = [Answer(429, b"", {"Retry-After": header})]
    assert harvesting()["kept"] == 1
    assert time.slept == [waits]


def limits(remaining: str, used: str, reset: str) -> dict[str, str]:
    return {"x-ratelimit-remaining": remaining, "x-ratelimit-used": used, "x-ratelimit-reset": reset}


def test_the_rate_limit_is_kept(reddit: FakeReddit, harvesting: Harvesting) -> None:
    reddit.upsets[NEW] = [Answer.of(listing([post("a", NOW - 9 * DAY)], "t3_a"), headers=limits("0.0", "600", "1"))]
    harvesting()
    first, second = reddit.asked(NEW)
    assert second.time - first.time >= 1


def test_an_endless_limit_is_bounded(
    reddit: FakeReddit,
    harvesting: Harvesting,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(real_time, "sleep", slept.append)
    reddit.upsets[NEW] = [Answer.of(listing([post("a", NOW - 9 * DAY)], "t3_a"), headers=limits("0", "9", "1e9"))]
    with caplog.at_level("INFO", "webtext"):
        harvesting()
    assert LONGEST_WAIT - 5 < max(slept) <= LONGEST_WAIT
    assert "waiting 600 seconds" in caplog.text


@pytest.mark.parametrize("headers", [limits("nan", "inf", "x"), limits("1", "0", "0"), limits("5", "5", "-3.5"), {}])
def test_strange_limits_do_no_harm(reddit: FakeReddit, harvesting: Harvesting, headers: dict[str, str]) -> None:
    reddit.headers = headers
    assert harvesting(listings=["new", "new"])["kept"] == 1


def test_timeouts(
    reddit: FakeReddit, settings: Settings, harvesting: Harvesting, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """praw.ini's timeout counts: prawcore itself would wait sixteen seconds for each."""
    settings(reddit.address, timeout="1")
    reddit.upsets[NEW] = [Answer(before=lambda: real_time.sleep(1.3))] * OURS_AND_PRAWCORES
    began = real_time.monotonic()
    with caplog.at_level("INFO", "webtext"):
        assert harvesting()["kept"] == 1
    assert real_time.monotonic() - began < 5
    assert "Reddit does not answer in time; asking again in 5 seconds" in caplog.text


def test_an_answer_that_trickles_has_a_deadline(
    reddit: FakeReddit, settings: Settings, harvesting: Harvesting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requestor, "TIMEOUTS_TO_DEADLINE", 0.2)
    reddit.upsets[NEW] = [Answer(200, b" " * 100, seconds_a_byte=0.05)]
    began = real_time.monotonic()
    assert harvesting()["kept"] == 1
    assert real_time.monotonic() - began < 3


def test_a_bomb_is_not_held(
    reddit: FakeReddit, harvesting: Harvesting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(requestor, "MAX_ANSWER_BYTES", 1 << 20)
    bomb = gzip.compress(bytes(60 << 20), 9)
    reddit.upsets[NEW] = [Answer(200, bomb, {"Content-Encoding": "gzip"})]
    tracemalloc.start()
    with caplog.at_level("INFO", "webtext"):
        assert harvesting()["kept"] == 1
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 << 20
    assert "has no end" in caplog.text


def test_answers_that_are_packed_are_read(reddit: FakeReddit, harvesting: Harvesting) -> None:
    body = gzip.compress(Answer.of(listing([post(f"g{at}", NOW - 9 * DAY) for at in range(100)])).body)
    reddit.upsets[NEW] = [Answer(200, body, {"Content-Encoding": "gzip"})]
    assert harvesting()["kept"] == 100


def test_no_connection(
    settings: Settings, harvesting: Harvesting, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    settings("http://127.0.0.1:9")
    with pytest.raises(UserError, match="Reddit shows none"):
        harvesting()
    assert "r/python is passed over: no connection to Reddit." in caplog.text
    assert time.slept == list(WAITS)


def test_lookups_that_fail_wait_on(
    reddit: FakeReddit, harvesting: Harvesting, kept: Kept, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    reddit.listings[NEW] = [post("young", NOW)]
    harvesting()
    time.now += 4 * DAY
    reddit.upsets[INFO_PATH] = [Answer(500)] * 15
    harvesting()
    assert "of 1 posts, which wait on: Reddit answers 500." in caplog.text
    assert kept() == {}
    harvesting()
    assert [row["id"] for rows in kept().values() for row in rows] == ["young"]


def test_a_netrc_does_not_replace_the_token(
    reddit: FakeReddit, harvesting: Harvesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert harvesting()["kept"] == 1

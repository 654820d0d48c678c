import json
from collections.abc import Iterator
from pathlib import Path

import praw.config
import prawcore.sessions
import pytest

from pipeline.doctor import reddit
from pipeline.doctor.findings import State
from pipeline.harvest.reddit.sources import Source
from tests.pipeline.harvest.reddit.server import TOKEN_PATH, Answer, FakeReddit, post, praw_ini, serving

PYTHON = Source("subreddit", "python")
PATH = "/r/python/new"
SECRETS = ("id-3e7a", "secret-91bc")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeReddit]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prawcore.sessions.FiniteRetryStrategy, "_sleep_seconds", lambda self: None)
    with serving(FakeReddit()) as there:
        for name, value in praw_ini(tmp_path, there.address).items():
            monkeypatch.setenv(name, value)
        praw.config.Config.CONFIG = None
        yield there
    praw.config.Config.CONFIG = None


def test_reddit_takes_the_credentials(server: FakeReddit) -> None:
    server.listings[PATH] = [post("a", 1.7e9)]
    assert reddit.check(reddit.look(PYTHON, "")).state is State.OK
    assert len(server.asked(PATH)) == 1
    assert server.asked(PATH)[0].query["limit"] == "1"


@pytest.mark.parametrize(
    ("path", "answer", "state", "words"),
    [
        (TOKEN_PATH, Answer.of({"error": "invalid_grant"}, 400), State.PROBLEM, "praw"),
        (TOKEN_PATH, Answer.of({"error": 401}, 401), State.PROBLEM, "client_id"),
        (PATH, Answer.of({"reason": "private"}, 403), State.WARNING, "r/python would be passed over, private"),
        (PATH, Answer.of({}, 404), State.WARNING, "not there"),
    ],
)
def test_what_reddit_may_say(server: FakeReddit, path: str, answer: Answer, state: State, words: str) -> None:
    server.upsets[path] = [answer] * 4
    finding = reddit.check(reddit.look(PYTHON, ""))
    assert finding.state is state
    assert words in finding.sentence
    assert not any(secret in json.dumps(finding) for secret in SECRETS)


def test_reddit_in_trouble_is_not_waited_for(server: FakeReddit) -> None:
    server.upsets[PATH] = [Answer(503)] * 9
    finding = reddit.check(reddit.look(PYTHON, ""))
    assert finding.state is State.PROBLEM
    assert "503" in finding.sentence


def test_no_credentials(server: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("praw_client_secret")
    finding = reddit.check(reddit.look(PYTHON, "https://bots.test"))
    assert finding.state is State.PROBLEM
    assert "praw_client_secret" in finding.sentence
    assert server.requests == []

"""Credentials come from PRAW's own places and go to Reddit, and nowhere else."""

import logging
import sys
import traceback
from pathlib import Path

import pytest

from pipeline.harvest.reddit import credentials
from pipeline.harvest.reddit.credentials import Hiding
from tests.pipeline.harvest.reddit.conftest import DAY, NOW, Harvesting, Settings
from tests.pipeline.harvest.reddit.server import TOKEN, TOKEN_PATH, Answer, FakeReddit, post
from webtext.errors import UserError

NEW = "/r/python/new"
SECRETS = ("id-3e7a", "secret-91bc", "pass-77aa", "refresh-4c4c", TOKEN)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (NEW, Answer.of({})),
        (NEW, Answer(500)),
        (NEW, Answer(401)),
        (NEW, Answer(429)),
        (NEW, Answer.of({"reason": f"x {SECRETS[1]}"}, 403)),
        (TOKEN_PATH, Answer(401)),
        (TOKEN_PATH, Answer.of({"error": SECRETS[2]})),
        (TOKEN_PATH, Answer(200, b"no JSON")),
        (TOKEN_PATH, Answer(200, b"{}", {"Content-Length": "50", "Connection": "close"})),
    ],
)
def test_no_secret_is_told(
    reddit: FakeReddit,
    settings: Settings,
    harvesting: Harvesting,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    path: str,
    answer: Answer,
) -> None:
    """Neither in messages of any level and library, nor in tracebacks, nor in files."""
    settings(reddit.address, password=SECRETS[2], username="somebody")
    reddit.listings[NEW] = [post("a", NOW - 9 * DAY)]
    reddit.upsets[path] = [answer] * 40
    told = ""
    with caplog.at_level(logging.DEBUG):
        try:
            harvesting()
        except UserError as error:
            told = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
            told += repr(error) + repr(error.__cause__)
    assert reddit.asked(TOKEN_PATH), "nothing was shown"
    everything = told + caplog.text + "".join(map(repr, (record.args for record in caplog.records)))
    everything += "".join(each.read_text() for each in (tmp_path / "reddit").iterdir() if each.suffix != ".zst")
    for secret in SECRETS:
        assert secret not in everything


def test_credentials_reach_reddit(reddit: FakeReddit, settings: Settings, harvesting: Harvesting) -> None:
    settings(reddit.address, password=SECRETS[2], username="somebody")
    reddit.listings[NEW] = []
    harvesting()
    (asked,) = reddit.asked(TOKEN_PATH)
    assert "password=pass-77aa" in asked.body
    assert asked.headers["authorization"].startswith("Basic ")


def test_what_libraries_log_is_cleaned(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("prawcore")
    hiding = Hiding(["abc", "abcdef"])
    logger.addFilter(hiding)
    try:
        logger.warning("to %s with %r", "abcdef", {"password": "abc"})
    finally:
        logger.removeFilter(hiding)
    assert caplog.messages == ["to [hidden] with {'password': '[hidden]'}"]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (["praw_client_id"], "set praw_client_id in the environment, or client_id in praw.ini"),
        (["praw_client_secret", "praw_user_agent"], "set praw_client_secret and praw_user_agent in"),
    ],
)
def test_what_is_missing_is_told(
    reddit: FakeReddit, harvesting: Harvesting, monkeypatch: pytest.MonkeyPatch, missing: list[str], words: str
) -> None:
    for name in missing:
        monkeypatch.delenv(name)
    with pytest.raises(UserError, match=words):
        harvesting()
    assert reddit.requests == []


def test_a_contact_makes_a_user_agent(reddit: FakeReddit, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(reddit.address)
    assert credentials.find("me@example.org").user_agent == "webtext tests"
    monkeypatch.delenv("praw_user_agent")
    assert credentials.find("me@example.org").user_agent.endswith("(me@example.org)")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[DEFAULT]\nclient_secret hunter2\n", "is not understood"),
        (b"hunter2\n", "is not understood"),
        (b"\xff\xfehunter2", "is not understood"),
        (b"[DEFAULT]\ntimeout=hunter2\n", "whole numbers"),
        (b"[DEFAULT]\ntimeout=0\n", "at least one second"),
        (b"[DEFAULT]\noauth_url=hunter2\n", "oauth_url in praw.ini must be an address"),
        (b"[DEFAULT]\nreddit_url=http://me:hunter2@127.0.0.1\n", "reddit_url in praw.ini must be an address"),
        (b"[DEFAULT]\nreddit_url=http://[::1\n", "reddit_url in praw.ini must be an address"),
        (b"[DEFAULT]\nreddit_url=file:///etc/passwd\n", "reddit_url in praw.ini must be an address"),
    ],
)
def test_a_wrong_praw_ini_is_told_without_its_words(
    settings: Settings, reddit: FakeReddit, tmp_path: Path, content: bytes, words: str
) -> None:
    settings(reddit.address)
    (tmp_path / "config" / "praw.ini").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        credentials.find()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_site_is_told(settings: Settings, reddit: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(reddit.address)
    monkeypatch.setenv("praw_site", "elsewhere")
    with pytest.raises(UserError, match="praw_site is 'elsewhere'"):
        credentials.find()


def test_a_praw_ini_that_leads_elsewhere_is_told(
    settings: Settings, reddit: FakeReddit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that lies in the folder where the command is started may be somebody else's."""
    settings(reddit.address)
    (tmp_path / "praw.ini").write_text(f"[DEFAULT]\noauth_url={reddit.address}\n")
    credentials.find()
    assert "is sent to that address" in caplog.text


def test_only_reddit_is_asked(reddit: FakeReddit, harvesting: Harvesting, monkeypatch: pytest.MonkeyPatch) -> None:
    """PRAW would ask the package index for its own newest version."""
    reddit.listings[NEW] = []
    monkeypatch.setitem(sys.modules["praw.reddit"].__dict__, "update_check", pytest.fail)
    harvesting()

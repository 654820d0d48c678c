"""From Reddit to the release in one command, against a Reddit on loopback."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.harvest import dumps
from tests.conftest import CHECKOUT
from tests.integration.conftest import WEBTEXT, Webtext, environment
from tests.integration.rows import id_of, rows_by_id
from tests.integration.shards import shards
from tests.pipeline.fetch.archive_bytes import http, members, warc
from tests.pipeline.harvest.reddit.server import (
    INFO_PATH,
    TOKEN_PATH,
    Answer,
    FakeReddit,
    listing,
    post,
    praw_ini,
    serving,
)

DAY = 86_400
NEW = "/r/python/new"
SECRETS = ("id-3e7a", "secret-91bc")

BRIDGE = """The old iron bridge below the mill was closed again in spring, and for once nobody complained. Its planks
had been loose for years, and the town had paid for two sets of new ones that never came. So the people who live on the
far bank got used to the long way round, past the quarry and the church. They learned who keeps bees, whose dog can be
trusted, and where the wild garlic grows. When the engineers returned in autumn with their plans, they found a path as
wide as a road, trodden by three hundred pairs of feet, and a committee that had come to ask whether the bridge was
really needed. It was, of course; but the path has stayed, and so have the conversations along it."""
CLOCK = """My grandfather repaired clocks in a room no larger than a pantry, and he let me sit under the bench as long
as I did not speak while he held a spring. He believed that every clock has a habit, and that repairing one means
finding out what it would rather do. Some want to run fast in the morning. Others lose a minute whenever the stove is
lit. He wrote these habits into a brown notebook, with the owner's name and the date, and he would read it before he
opened a case. I have the notebook now. Last winter a man brought me a clock which my grandfather had mended in 1961,
and the entry said only: stubborn, forgives nothing, do not hurry. I did not hurry, and after nine days it began to
strike."""
PAGES = {"http://example.org/bridge": BRIDGE, "http://example.org/clock": CLOCK}


def html(text: str) -> bytes:
    head = f"<head><title>{text.split('.')[0]}</title></head>"
    return f"<html lang=en>{head}<body><article><p>{text}</p></article></body></html>".encode()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "pages.warc.gz"
    path.write_bytes(members(*(warc(http(html(text)), url) for url, text in PAGES.items())))
    return path


@pytest.fixture
def reddit() -> Iterator[FakeReddit]:
    with serving(FakeReddit()) as server:
        yield server


Arguments = list[str]


@pytest.fixture
def corpus(archive: Path, tmp_path: Path) -> Arguments:
    """The command that harvests r/python."""
    keys = {
        "output": str(tmp_path / "run"),
        "harvest.reddit": {"subreddits": ["r/python"], "listings": ["new"]},
        "harvest.before": "2100-01-01",
        "fetch.archives": [str(archive)],
    }
    return ["corpus", *(part for key, value in keys.items() for part in ("--set", f"{key}={json.dumps(value)}"))]


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(webtext: Webtext, reddit: FakeReddit, tmp_path: Path) -> Run:
    def command(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return webtext(*arguments, variables=praw_ini(tmp_path, reddit.address) | more)

    return command


def kept_texts(run: Path) -> dict[str, str]:
    return {str(row["url"]): str(row["text"]) for row in rows_by_id(run / "corpus" / "data").values()}


def posts_in(run: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted((run / "reddit").glob("RS_*.zst")):
        found += [json.loads(line) for line in dumps.lines(str(path)) if isinstance(line, bytes)]
    return found


def test_from_reddit_to_the_release(reddit: FakeReddit, corpus: Arguments, run: Run, tmp_path: Path) -> None:
    now = time.time()
    reddit.listings[NEW] = [
        post("young", now - DAY, 1, url="http://example.org/clock"),
        post("old", now - 9 * DAY, 40, url="http://example.org/bridge"),
        post("disliked", now - 10 * DAY, 1, url="http://example.org/disliked"),
        post("self", now - 10 * DAY, 99, is_self=True, url="http://reddit.com/r/python/self"),
        post("dead", now - 11 * DAY, 9, url="http://example.org/dead"),
    ]
    output = tmp_path / "run"

    done = run(*corpus)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{output}/corpus\n"
    assert "4 posts kept, 5 listed (0 known), 1 requests; 1 wait for their score" in done.stderr
    assert list(kept_texts(output)) == ["http://example.org/bridge"]
    endings = {row["id"]: row["reason"] for row in rows_by_id(output / "corpus" / "ledger").values()}
    assert endings == {id_of("http://example.org/bridge"): "kept", id_of("http://example.org/dead"): "not_in_archive"}
    (link,) = [row for row in rows_by_id(output / "links").values() if row["id"] == id_of("http://example.org/bridge")]
    (submission,) = link["submissions"]
    assert (submission["id"], submission["subreddit"], submission["score"]) == ("old", "python", 40)
    assert submission["created_utc"].timestamp() == int(now - 9 * DAY)

    # Three days later, as far as Reddit tells.
    waiting = output / "reddit" / "pending.ndjson"
    waiting.write_text(waiting.read_text().replace(str(int(now - DAY)), str(int(now - 4 * DAY))))
    reddit.listings[NEW][0] |= {"score": 77, "created_utc": float(int(now - 4 * DAY))}
    reddit.requests.clear()
    done = run(*corpus)
    assert done.returncode == 0, done.stderr
    assert [request.query["id"] for request in reddit.asked(INFO_PATH)] == ["t3_young"]
    assert sorted(kept_texts(output)) == sorted(PAGES)

    # Nothing is new: Reddit is asked, and all stages stand.
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")}
    done = run(*corpus)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("[as before]") == 5
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")} == before

    # The same dumps without Reddit make the same release.
    alone = tmp_path / "alone"
    again = [*corpus, "--set", "harvest.reddit=null", "--set", f"output={alone}"]
    done = run(*again, "--set", f'harvest.dumps=["{output}/reddit/RS_*.zst"]')
    assert done.returncode == 0, done.stderr
    assert shards(alone) == shards(output)

    for path in (path for path in output.rglob("*") if path.is_file()):
        assert not any(secret.encode() in path.read_bytes() for secret in SECRETS), path


def test_a_first_harvest_in_which_everything_waits(
    reddit: FakeReddit, corpus: Arguments, run: Run, tmp_path: Path
) -> None:
    reddit.listings[NEW] = [post("young", time.time() - 60)]
    done = run(*corpus)
    assert done.returncode == 0, done.stderr
    assert rows_by_id(tmp_path / "run" / "corpus" / "ledger") == {}


def test_an_interrupted_run_goes_on_with_what_it_got(
    reddit: FakeReddit, corpus: Arguments, run: Run, tmp_path: Path
) -> None:
    """Else a stage that took hours would begin again for one new post."""
    reddit.listings[NEW] = [post("old", time.time() - 9 * DAY, 40, url="http://example.org/bridge")]
    pq.write_table(pa.table({"no_text": [1]}), tmp_path / "references.parquet")
    broken = [*corpus, "--set", f'dedup.references=["{tmp_path}/references.parquet"]']
    assert run(*broken).returncode == 2
    asked = len(reddit.requests)
    assert asked
    reddit.listings[NEW].insert(0, post("newer", time.time() - 8 * DAY, 40, url="http://example.org/clock"))
    done = run(*corpus)
    assert done.returncode == 0, done.stderr
    assert len(reddit.requests) == asked
    assert done.stderr.count("[as before]") == 3
    assert "reddit     was asked when this run began" in done.stderr
    assert run(*corpus).returncode == 0
    assert sorted(kept_texts(tmp_path / "run")) == sorted(PAGES)


def test_runs_without_a_release_ask_once_a_round(
    reddit: FakeReddit, corpus: Arguments, run: Run, tmp_path: Path
) -> None:
    def go(name: str) -> int:
        asked = len(reddit.requests)
        wishes = {"subreddits": ["python"], "listings": ["new"], "round": name}
        done = run(*corpus, "--set", f"harvest.reddit={json.dumps(wishes)}", "--until", "links")
        assert done.returncode == 0, done.stderr
        return len(reddit.requests) - asked

    reddit.listings[NEW] = [post("old", time.time() - 9 * DAY, 40, url="http://example.org/bridge")]
    assert go("monday") > 0
    reddit.listings[NEW].insert(0, post("newer", time.time() - 8 * DAY, 40, url="http://example.org/clock"))
    assert go("monday") == 0
    assert [each["id"] for each in posts_in(tmp_path / "run")] == ["old"]
    assert go("tuesday") > 0
    assert sorted(each["id"] for each in posts_in(tmp_path / "run")) == ["newer", "old"]


def test_a_plan_asks_nothing(reddit: FakeReddit, corpus: Arguments, run: Run, tmp_path: Path) -> None:
    done = run(*corpus, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "reddit      would be asked" in done.stdout
    assert reddit.requests == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("moment", [1, 3])
def test_killed_between_listing_and_writing(
    reddit: FakeReddit, corpus: Arguments, run: Run, tmp_path: Path, moment: int
) -> None:
    """SIGKILL while the page of this number is under way: nothing is lost, nothing is there twice."""
    now = time.time()
    posts = [post(f"p{at:03}", now - 9 * DAY - at) for at in range(230)]
    parts = [posts[:100], posts[100:200], posts[200:]]
    reddit.listings[NEW] = posts
    variables = environment(praw_ini(tmp_path, reddit.address))
    victim = subprocess.Popen(
        [WEBTEXT, *corpus], cwd=CHECKOUT, env=variables, stderr=subprocess.PIPE, start_new_session=True
    )

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(victim.pid, signal.SIGKILL)

    for number, part in enumerate(parts[:moment], 1):
        answer = Answer.of(listing(part, part[-1]["name"] if number < len(parts) else None))
        reddit.upsets[NEW].append(Answer(200, answer.body, before=kill) if number == moment else answer)
    try:
        victim.communicate(timeout=60)
    finally:
        kill()
    assert victim.returncode == -signal.SIGKILL
    assert len(reddit.asked(NEW)) == moment
    done = run(*corpus)
    assert done.returncode == 0, done.stderr
    assert sorted(each["id"] for each in posts_in(tmp_path / "run")) == sorted(each["id"] for each in posts)
    assert not list((tmp_path / "run").rglob("_temporary.*"))


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        (TOKEN_PATH, Answer(401, b'{"message": "Unauthorized", "error": 401}'), "Reddit answers 401"),
        (NEW, Answer.of({"reason": "private", "error": 403}, 403), "Reddit shows none"),
    ],
)
def test_what_reddit_refuses_is_a_sentence(
    reddit: FakeReddit, corpus: Arguments, run: Run, path: str, answer: Answer, words: str
) -> None:
    reddit.upsets[path] = [answer] * 9
    done = run(*corpus, "--verbose")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: {words}")
    assert "Traceback" not in done.stderr
    assert not any(secret in done.stderr for secret in SECRETS)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("harvest.reddit", "{}", "it names nothing to ask for"),
        ("harvest.reddit", "{subreddits: [a/b]}", "is no name of a subreddit"),
        ("harvest.reddit", "{domains: ['http://x.org/']}", "is no domain"),
        ("harvest.reddit", "{subreddits: [a], listings: [hot]}", "'new', 'top' or 'rising'"),
        ("harvest.reddit", "{subreddits: [a], score_after_days: -1}", "greater than or equal to 0"),
        ("harvest.reddit", "{subreddits: [a], client_secret: secret-91bc}", "unknown key harvest.reddit.client_secret"),
    ],
)
def test_a_wrong_config_is_a_sentence(corpus: Arguments, run: Run, key: str, value: str, words: str) -> None:
    done = run(*corpus, "--set", f"{key}={value}")
    assert done.returncode == 2
    assert words in done.stderr
    assert "secret-91bc" not in done.stderr


def test_without_credentials(corpus: Arguments, run: Run) -> None:
    done = run(*corpus, praw_client_secret="")
    assert done.returncode == 2
    assert "set praw_client_secret in the environment, or client_secret in praw.ini" in done.stderr

"""A Reddit on loopback, a clock that nobody waits for, and harvests between the two."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import praw.config
import prawcore.sessions
import pytest

from pipeline.harvest import dumps
from pipeline.harvest.months import dumps_in
from pipeline.harvest.reddit.clock import Clock
from pipeline.harvest.reddit.harvest import Wishes, harvest
from tests.pipeline.harvest.reddit.server import FakeReddit, praw_ini, serving

NOW = 1_700_000_000
DAY = 86_400


@dataclasses.dataclass
class Time:
    """now moves only when somebody sleeps, or a test moves it."""

    now: float = NOW
    slept: list[float] = dataclasses.field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


@pytest.fixture
def reddit() -> Iterator[FakeReddit]:
    with serving(FakeReddit()) as server:
        yield server


@pytest.fixture
def time() -> Time:
    return Time()


Settings = Callable[..., None]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Make PRAW find an address and credentials, and nothing of the machine's own."""
    monkeypatch.chdir(tmp_path)
    # prawcore waits up to six seconds before its own last try.
    monkeypatch.setattr(prawcore.sessions.FiniteRetryStrategy, "_sleep_seconds", lambda self: None)

    def set_up(address: str, **more: str) -> None:
        for name, value in praw_ini(tmp_path, address, **more).items():
            monkeypatch.setenv(name, value)
        praw.config.Config.CONFIG = None  # PRAW reads its files once a process

    return set_up


Harvesting = Callable[..., Counter[str]]


@pytest.fixture
def harvesting(reddit: FakeReddit, settings: Settings, time: Time, tmp_path: Path) -> Harvesting:
    """A harvest of r/python's new posts, unless told otherwise."""
    settings(reddit.address)

    def run(**wishes: Any) -> Counter[str]:
        asked = {"subreddits": ["python"], "listings": ["new"]} | wishes
        return harvest(Wishes(**asked), str(tmp_path / "reddit"), clock=time.clock)

    return run


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], dict[str, list[dict[str, Any]]]]:
    """What is in the dumps, by the name of the file."""

    def read() -> dict[str, list[dict[str, Any]]]:
        found = {}
        for path in dumps_in(str(tmp_path / "reddit")):
            lines = list(dumps.lines(path))
            assert not any(isinstance(line, dumps.BrokenLine) for line in lines)
            found[Path(path).name] = [json.loads(line) for line in lines if isinstance(line, bytes)]
        return found

    return read

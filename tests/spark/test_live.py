"""The web itself, asked from a worker of Spark's or Flink's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Webtext
from tests.integration.test_live import Run, behaviour
from tests.pipeline.fetch.live.web import Web, serving


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(behaviour) as web:
        yield web


@pytest.mark.parametrize("runner", ["spark-local", "flink"])
def test_each_page_is_asked_for_once(runner: str, tmp_path: Path, web: Web, webtext: Webtext) -> None:
    """Though engines do tasks again, and read what is read twice from its beginning."""
    hosts = [f"127.3.2.{number}" for number in range(1, 5)]
    addresses = [web.url(path, host) for host in hosts for path in ("/1", "/2", "/gone", "/private/1")]
    run = Run(tmp_path, web, addresses)
    done = webtext(*run.arguments, "--runner", runner)
    assert done.returncode == 0, done.stderr
    assert set(web.requests().values()) == {1}
    assert max(web.most_open.values()) == 1
    ends = run.ends()
    assert {ends[web.url("/1", host)] for host in hosts} == {("kept", "kept")}
    assert {ends[web.url("/gone", host)] for host in hosts} == {("failed", "http_error")}
    assert {ends[web.url("/private/1", host)] for host in hosts} == {("dropped", "robots")}
    assert (run.folder / "pages" / "live-00000-of-00001-00000.warc.gz").exists()

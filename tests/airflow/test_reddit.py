"""webtext_reddit_daily for real, with a Reddit and a web on loopback."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.airflow.conftest import Airflow
from tests.pipeline.harvest.reddit.server import FakeReddit, post, praw_ini, serving

DAG = "webtext_reddit_daily"
NEW = "/r/python/new"
ID, SECRET = "id-3e7a", "secret-91bc"
DAY = 86_400


class Web(ThreadingHTTPServer):
    """Serves every path but those that are down; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down: set[str] = set()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                status = 503 if self.path in web.down else 404 if self.path == "/robots.txt" else 200
                body = b"<html><title>A page</title><p>Some words.</p></html>"
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def pages_asked(self) -> set[str]:
        return set(self.asked) - {"/robots.txt"}


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield web
        web.shutdown()
        thread.join()


def test_two_days_of_reddit(airflow: Airflow, web: Web, tmp_path: Path) -> None:
    run, config = tmp_path / "run", tmp_path / "reddit.yaml"
    config.write_text(
        json.dumps(
            {
                "output": "unused",
                "harvest": {"reddit": {"subreddits": ["python"], "listings": ["new"]}, "before": "2100-01-01"},
                "fetch": {
                    "live": True,
                    "contact": "https://example.org/bot",
                    "delay_seconds": 0,
                    "allow_networks": ["127.0.0.0/8"],
                },
            }
        )
    )
    old = time.time() - 9 * DAY
    with serving(FakeReddit()) as reddit:
        where = {"XDG_CONFIG_HOME": praw_ini(tmp_path, reddit.address)["XDG_CONFIG_HOME"]}
        extra = {"user_agent": "webtext tests"}
        connection = {"conn_type": "http", "login": ID, "password": SECRET, "extra": extra}
        variables = {**where, "AIRFLOW_CONN_REDDIT_DEFAULT": json.dumps(connection)}
        conf = {"config": str(config), "run": str(run)}

        reddit.listings[NEW] = [post("a", old, url=web.url("/a")), post("b", old, url=web.url("/b"))]
        web.down = {"/b"}
        first = airflow.test(DAG, conf, **variables)
        assert first.state == "success", first.output
        assert web.pages_asked() == {"/a", "/b"}

        reddit.listings[NEW].insert(0, post("c", old + 60, url=web.url("/c")))
        web.down = set()
        web.asked.clear()
        second = airflow.test(DAG, conf, **variables)
        assert second.state == "success", second.output
        assert web.pages_asked() == {"/b", "/c"}

        asked = len(reddit.requests)
        without = airflow.test(DAG, conf, **where)
        assert without.states()["harvest"] == "failed"
        assert "AirflowFailException: there is no connection reddit_default" in without.output
        assert len(reddit.requests) == asked

    counters = json.loads((run / "pages" / "manifest.json").read_text())["counters"]
    assert counters["fetched"] == 3
    assert list((run / "reddit").glob("RS_*.zst"))

    # The secret is nowhere: no log, no rendered template, no XCom, no file of the run.
    assert SECRET not in first.output + second.output
    for folder in (run, airflow.local.home):
        for path in (path for path in folder.rglob("*") if path.is_file()):
            assert SECRET.encode() not in path.read_bytes(), path

"""A Reddit on loopback: tokens, listings page by page, posts by id, and whatever else a test wants to happen."""

import contextlib
import dataclasses
import gzip
import json
import threading
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "tok-5f2d"
TOKEN_PATH = "/api/v1/access_token"
INFO_PATH = "/api/info/"


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    time: float


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    before: Callable[[], None] | None = None
    """Called before anything is sent."""
    seconds_a_byte: float = 0

    @classmethod
    def of(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        return cls(status, json.dumps(value).encode(), headers or {})


def post(post_id: str, created: float, score: int = 10, **more: Any) -> dict[str, Any]:
    """A post as the API gives it."""
    return {
        "id": post_id,
        "name": f"t3_{post_id}",
        "created_utc": float(created),
        "score": score,
        "url": f"http://example.org/{post_id}",
        "title": f"Title of {post_id}",
        "subreddit": "python",
        "domain": "example.org",
        "is_self": False,
        "over_18": False,
        "author": "somebody",
        "selftext": "private words",
        "removed_by_category": None,
        "permalink": f"/r/python/comments/{post_id}/",
    } | more


def listing(posts: list[dict[str, Any]], after: str | None = None) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"children": [{"kind": "t3", "data": each} for each in posts], "after": after}}


class FakeReddit:
    """listings: path -> its posts. by_id: what /api/info knows beside them. upsets: path -> answers given first."""

    def __init__(self) -> None:
        self.listings: dict[str, list[dict[str, Any]]] = {}
        self.by_id: dict[str, dict[str, Any]] = {}
        self.upsets: dict[str, list[Answer]] = defaultdict(list)
        self.headers: dict[str, str] = {}
        self.requests: list[Request] = []
        self.address = ""

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.upsets[request.path]:
            return self.upsets[request.path].pop(0)
        if request.path == TOKEN_PATH:
            return Answer.of({"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600, "scope": "*"})
        if request.headers.get("authorization") != f"bearer {TOKEN}":
            return Answer.of({"message": "Unauthorized", "error": 401}, 401)
        if request.path == INFO_PATH:
            names = request.query["id"].split(",")
            assert len(names) <= 100
            known = {each["name"]: each for posts in self.listings.values() for each in posts}
            known |= {f"t3_{name}": each for name, each in self.by_id.items()}
            return Answer.of(listing([known[name] for name in names if name in known]), headers=self.headers)
        if request.path not in self.listings:
            return Answer.of({"message": "Not Found", "error": 404}, 404)
        return Answer.of(self._part(self.listings[request.path], request.query), headers=self.headers)

    def _part(self, posts: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
        names = [each["name"] for each in posts]
        begin = names.index(query["after"]) + 1 if "after" in query else 0
        end = begin + min(int(query["limit"]), 100)
        return listing(posts[begin:end], names[end - 1] if end < len(posts) else None)


class Cassettes(FakeReddit):
    """Gives PRAW's recorded answers by path, in the order in which they were recorded; then listings without posts."""

    def __init__(self, folder: Path, *names: str) -> None:
        super().__init__()
        for name in names:
            with gzip.open(folder / "cassettes" / f"{name}.json.gz") as file:
                recorded = json.load(file)["interactions"]
            for interaction in recorded:
                path = urllib.parse.urlsplit(interaction["request"]["uri"]).path
                if path == TOKEN_PATH:
                    continue
                body, status = interaction["response"]["body"], interaction["response"]["status"]["code"]
                text = body["string"] if "string" in body else body["base64_string"]
                headers = {
                    key: values[0]
                    for key, values in interaction["response"]["headers"].items()
                    if key.lower().startswith(("x-ratelimit", "content-type", "www-authenticate", "retry-after"))
                }
                self.upsets[path].append(Answer(status, text.encode(), headers))

    def answer(self, request: Request) -> Answer:
        recorded = request.path == TOKEN_PATH or self.upsets[request.path]
        if recorded:
            return super().answer(request)
        self.requests.append(request)
        return Answer.of(listing([]))


@contextlib.contextmanager
def serving(reddit: FakeReddit) -> Iterator[FakeReddit]:
    """The server while the block runs; `reddit.address` is where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve("")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("content-length", 0))).decode())

        def _serve(self, body: str) -> None:
            where = urllib.parse.urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(urllib.parse.parse_qsl(where.query))
            answer = reddit.answer(Request(self.command, where.path, query, headers, body, time.monotonic()))
            if answer.before is not None:
                answer.before()
            with contextlib.suppress(ConnectionError):  # a client that has lost its patience
                self.send_response(answer.status)
                for name, value in ({"Content-Length": str(len(answer.body))} | dict(answer.headers)).items():
                    self.send_header(name, value)
                self.end_headers()
                if not answer.seconds_a_byte:
                    self.wfile.write(answer.body)
                    return
                for byte in answer.body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(answer.seconds_a_byte)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    reddit.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield reddit
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def praw_ini(folder: Path, address: str, **more: str) -> dict[str, str]:
    """praw.ini below a folder; returns the variables with which PRAW finds it and its credentials."""
    place = folder / "config"
    place.mkdir(exist_ok=True)
    settings = {"oauth_url": address, "reddit_url": address, "timeout": "2"} | more
    (place / "praw.ini").write_text(
        "\n".join(["[DEFAULT]", *(f"{key}={value}" for key, value in settings.items())]) + "\n"
    )
    return {
        "XDG_CONFIG_HOME": str(place),
        "praw_client_id": "id-3e7a",
        "praw_client_secret": "secret-91bc",
        "praw_user_agent": "webtext tests",
    }

"""What was fetched, shown by pywb: the archive's software that people look at WARC files with."""

import contextlib
import gzip
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.fetch.live.crawling import crawl
from tests.pipeline.fetch.live.web import NO_ROBOTS, Answer, moved, page, serving

PROGRAMS = Path(os.environ["WEBTEXT_PYWB"])
COLLECTION = "fetched"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n<p>\r\n6\r\nchunks\r\n0\r\n\r\n"
ODD = b"HTTP/1.1 200\nContent-Type:   text/html\nX-Odd: a\n b\nContent-Length: 6\n\n<p>odd"
ANSWERS: dict[str, tuple[Answer, int, bytes]] = {
    "/plain": (page(b"<p>plain"), 200, b"<p>plain"),
    "/packed": (page(gzip.compress(b"<p>packed"), "200 OK", "Content-Encoding: gzip"), 200, b"<p>packed"),
    "/chunks": (CHUNKS, 200, b"<p>chunks"),
    "/odd": (ODD, 200, b"<p>odd"),
    "/large": (page(b"<p>large" * 20_000), 200, b"<p>large" * 20_000),
    "/moved": (moved("/plain"), 301, b"moved"),
    "/gone": (page(b"gone", "404 Not Found"), 404, b"gone"),
    "/robots.txt": (NO_ROBOTS, 404, b"none"),
}


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def asked(url: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(_NotFollowed, urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@contextlib.contextmanager
def wayback(folder: Path) -> Iterator[str]:
    """A running pywb: its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(PROGRAMS / "wayback"), "--port", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which pywb has indexed what was fetched, and the address of the site."""
    folder = tmp_path_factory.mktemp("pywb")
    with serving(lambda hit: ANSWERS[hit.path][0]) as web:
        crawl(folder, [web.url(path) for path in ANSWERS if path != "/robots.txt"])
        site = web.url("")
    for arguments in (["init", COLLECTION], ["add", COLLECTION, *map(str, folder.glob("live-*.warc.gz"))]):
        subprocess.run([PROGRAMS / "wb-manager", *arguments], cwd=folder, check=True, capture_output=True)
    return folder, site


def test_pywb_indexes_every_answer(fetched: tuple[Path, str]) -> None:
    folder, site = fetched
    (index,) = (folder / "collections" / COLLECTION / "indexes").glob("*.cdxj")
    rows = [json.loads("{" + line.partition(" {")[2]) for line in index.read_text().splitlines()]
    assert {row["url"]: int(row["status"]) for row in rows} == {
        site + path: status for path, (_, status, _) in ANSWERS.items()
    }
    assert {row["digest"].partition(":")[0] for row in rows} == {"sha256"}


def test_pywb_shows_every_answer(fetched: tuple[Path, str]) -> None:
    folder, site = fetched
    with wayback(folder) as address:
        shown = {path: asked(f"{address}/{COLLECTION}/2026id_/{site}{path}") for path in ANSWERS}
    assert shown == {path: (status, body) for path, (_, status, body) in ANSWERS.items()}


def test_warcio_finds_every_digest_right(fetched: tuple[Path, str]) -> None:
    folder, _ = fetched
    warcio = shutil.which("warcio", path=str(PROGRAMS))
    assert warcio is not None
    files = [str(path) for path in folder.glob("live-*.warc.gz")]
    checked = subprocess.run([warcio, "check", "-v", *files], check=True, capture_output=True, text=True)
    assert checked.stdout.count("digest pass") == len(ANSWERS)

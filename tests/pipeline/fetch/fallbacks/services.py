"""Common Crawl and the Wayback Machine on loopback, played from captures that a test makes."""

import dataclasses
import datetime
import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from email.utils import format_datetime

from pipeline import urls
from pipeline.warc import parse_date
from tests.pipeline.fetch.archive_bytes import id_of
from tests.pipeline.fetch.live.web import Answer, Hit, page

PLAYED = re.compile(r"/web/(\d+)id_/(.+)")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A capture in the Wayback Machine."""

    url: str
    stamp: str
    body: bytes = b"<html><p>as it was</p></html>"
    status: int = 200
    kind: str = "text/html"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """As the server sent them; of the location, playback makes one of its own."""
    packing: str = ""
    """The content coding of `body` as the archive sends it."""

    @property
    def seconds(self) -> int:
        seconds = parse_date(self.stamp)
        assert seconds is not None
        return seconds

    def answer(self, base: str) -> bytes:
        moment = datetime.datetime.fromtimestamp(self.seconds, datetime.UTC)
        headers = [f"Memento-Datetime: {format_datetime(moment, usegmt=True)}", f"Content-Type: {self.kind}"]
        headers += [f"x-archive-orig-{name}: {value}" for name, value in self.headers.items()]
        headers += [
            f"Location: {base}/web/{self.stamp}id_/{value}"
            for name, value in self.headers.items()
            if name.lower() == "location"
        ]
        if self.packing:
            headers.append(f"Content-Encoding: {self.packing}")
        return page(self.body, f"{self.status} X", *headers)


@dataclasses.dataclass
class WaybackMachine:
    """Answers as web.archive.org does."""

    snapshots: Sequence[Snapshot]

    def __call__(self, hit: Hit) -> Answer:
        base = f"http://{hit.headers['host']}"
        path, _, query = hit.path.partition("?")
        if path == "/cdx/search/cdx":
            return page(self._index(dict(urllib.parse.parse_qsl(query))), "200 OK", "Content-Type: application/json")
        played = PLAYED.fullmatch(hit.path)
        if played is None:
            return page(b"?", "404 Not Found")
        same = [each for each in self.snapshots if id_of(each.url) == id_of(played[2])]
        if not same:
            return page(b"not here", "404 Not Found")
        wanted = int(played[1])
        nearest = min(same, key=lambda each: abs(int(each.stamp) - wanted))
        if int(nearest.stamp) != wanted:
            return page(b"", "302 Found", f"Location: {base}/web/{nearest.stamp}id_/{nearest.url}")
        return nearest.answer(base)

    def _index(self, query: Mapping[str, str]) -> bytes:
        wanted = urls.normalise(query["url"])
        assert wanted is not None
        assert query["output"] == "json"
        status = re.compile(query["filter"].removeprefix("statuscode:"))
        columns = query["fl"].split(",")
        found = [
            each
            for each in self.snapshots
            if id_of(each.url) == urls.link_id(wanted) and status.fullmatch(str(each.status))
        ]
        found.sort(key=lambda each: abs(int(each.stamp) - int(query["closest"])))
        rows = [
            {
                "timestamp": each.stamp,
                "original": each.url,
                "statuscode": str(each.status),
                "mimetype": each.kind,
                "digest": "D" * 32,
                "length": str(len(each.body)),
            }
            for each in found[: int(query["limit"])]
        ]
        return json.dumps([columns, *([row[name] for name in columns] for row in rows)] if rows else []).encode()

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
from tests.pipeline.fetch.archive_bytes import http, id_of, members, warc
from tests.pipeline.fetch.live.web import Answer, Hit, page

PLAYED = re.compile(r"/web/(\d+)id_/(.+)")
RANGE = re.compile(r"bytes=(\d+)-(\d+)")
JSON = "Content-Type: application/json"
NOT_FOUND = page(b"?", "404 Not Found")


def seconds(stamp: str) -> int:
    """Seconds since 1970 of a date in 14 digits."""
    moment = parse_date(stamp)
    assert moment is not None
    return moment


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

    def answer(self, base: str) -> bytes:
        moment = datetime.datetime.fromtimestamp(seconds(self.stamp), datetime.UTC)
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
    deaf: bool = False
    """Whether the index ignores what is asked of it beside the address."""

    def __call__(self, hit: Hit) -> Answer:
        base = f"http://{hit.headers['host']}"
        path, _, query = hit.path.partition("?")
        if path == "/cdx/search/cdx":
            return page(self._index(dict(urllib.parse.parse_qsl(query))), "200 OK", JSON)
        played = PLAYED.fullmatch(hit.path)
        if played is None:
            return NOT_FOUND
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
        assert (query["output"], query["sort"]) == ("json", "closest")
        columns = query["fl"].split(",")
        found = [each for each in self.snapshots if id_of(each.url) == urls.link_id(wanted)]
        if not self.deaf:
            status = re.compile(query["filter"].removeprefix("statuscode:"))
            found = [each for each in found if status.fullmatch(str(each.status))]
            found.sort(key=lambda each: abs(int(each.stamp) - int(query["closest"])))
            found = found[: int(query["limit"])]
        rows = [
            {
                "timestamp": each.stamp,
                "original": each.url,
                "statuscode": str(each.status),
                "mimetype": each.kind,
                "digest": "D" * 32,
                "length": str(len(each.body)),
            }
            for each in found
        ]
        return json.dumps([columns, *([row[name] for name in columns] for row in rows)] if rows else []).encode()


@dataclasses.dataclass(frozen=True)
class Crawled:
    """A record in a file of Common Crawl, and what its index says of it."""

    url: str
    stamp: str
    body: bytes = b"<html><p>as it was</p></html>"
    status: str = "200 OK"
    headers: Sequence[str] = ("Content-Type: text/html",)
    mime: str = "text/html"
    subset: str = "warc"
    truncated: str = ""
    record: bytes | None = None
    """In place of the record that follows from the rest."""

    @property
    def crawl(self) -> str:
        year, week, _ = (
            datetime.datetime.strptime(self.stamp, "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC).isocalendar()
        )
        return f"CC-MAIN-{year}-{week:02}"

    @property
    def file(self) -> str:
        return f"crawl-data/{self.crawl}/segments/1.2/{self.subset}/CC-MAIN-{self.stamp}-00000.warc.gz"

    @property
    def member(self) -> bytes:
        date = datetime.datetime.fromtimestamp(seconds(self.stamp), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = [f"WARC-Truncated: {self.truncated}"] if self.truncated else []
        record = warc(http(self.body, self.status, self.headers), self.url, date, headers=headers)
        return members(record if self.record is None else self.record)


class CommonCrawlHost:
    """Answers as data.commoncrawl.org and index.commoncrawl.org do, at one address."""

    def __init__(self, records: Sequence[Crawled], *, knows_ranges: bool = True, index: str = "x/") -> None:
        """Get ready. index: what its list of crawls says that their indexes' addresses begin with."""
        self.records = records
        self.index = index
        self.knows_ranges = knows_ranges
        self.files: dict[str, bytes] = {}
        self.rows: list[dict[str, str]] = []
        info = members(b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 0\r\n\r\n\r\n\r\n")
        for each in records:
            content = self.files.get(each.file, info)
            row = {
                "urlkey": "x",
                "timestamp": each.stamp,
                "url": each.url,
                "mime": each.mime,
                "mime-detected": each.mime,
                "status": each.status.partition(" ")[0],
                "digest": "",
                "length": str(len(each.member)),
                "offset": str(len(content)),
                "filename": each.file,
            }
            self.rows.append({**row, "truncated": each.truncated} if each.truncated else row)
            self.files[each.file] = content + each.member

    def __call__(self, hit: Hit) -> Answer:
        path, _, query = hit.path.partition("?")
        crawls = sorted({each.crawl for each in self.records}, reverse=True)
        if path == "/collinfo.json":
            listed = [{"id": crawl, "cdx-api": f"{self.index}{crawl}-index"} for crawl in crawls]
            return page(json.dumps(listed).encode(), "200 OK", JSON)
        if path.endswith("-index"):
            return self._index(path.rpartition("/")[2].removesuffix("-index"), dict(urllib.parse.parse_qsl(query)))
        content = self.files.get(path.strip("/"))
        if content is None:
            return NOT_FOUND
        part = RANGE.fullmatch(hit.headers.get("range", ""))
        if part is None or not self.knows_ranges:
            return page(content, "200 OK", "Content-Type: application/octet-stream")
        first, last = int(part[1]), int(part[2])
        if first >= len(content):
            return page(b"", "416 Range Not Satisfiable")
        return page(
            content[first : last + 1],
            "206 Partial Content",
            f"Content-Range: bytes {first}-{min(last, len(content) - 1)}/{len(content)}",
            "Content-Type: application/octet-stream",
        )

    def _index(self, crawl: str, query: Mapping[str, str]) -> Answer:
        wanted = urls.normalise(query["url"])
        assert wanted is not None
        found = [
            row
            for row, each in zip(self.rows, self.records, strict=True)
            if each.crawl == crawl and id_of(each.url) == urls.link_id(wanted)
        ]
        if not found:
            return page(json.dumps({"message": f"No Captures found for: {wanted}"}).encode(), "404 Not Found", JSON)
        return page(
            b"".join(json.dumps(row).encode() + b"\n" for row in found), "200 OK", "Content-Type: text/x-ndjson"
        )

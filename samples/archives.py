"""Writes the small web as WARC 1.1 archives: one gzip member a record, one file plain, one cut short.

Everything that an archive usually takes from the clock or from chance is taken from the sources: dates, record ids
(the hash of what is recorded), gzip's time stamp (none). So the same sources give the same bytes.
"""

import base64
import dataclasses
import datetime
import hashlib
import io
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import brotli
from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from samples.bodies import BODIES
from samples.sources import Page, at, declared_charset, site

FILES = {
    "first": "pages-00000.warc.gz",
    "second": "pages-00001.warc.gz",
    "plain": "pages-00002.warc",
    "clipped": "pages-00003.warc.gz",
}
REASONS = {200: "OK", 301: "Moved Permanently", 302: "Found", 307: "Temporary Redirect", 403: "Forbidden",
           404: "Not Found", 410: "Gone", 500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Record:
    """One record to be written: what was asked for, when, and what came back."""

    archive: str
    url: str
    moment: datetime.datetime
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    kind: str = "response"
    revisits: datetime.datetime | None = None
    """The date of the earlier record that a revisit points to."""
    extra: tuple[tuple[str, str], ...] = ()
    """Further WARC headers."""
    length_error: int = 0
    """How far the WARC header's Content-Length is from the truth."""

    def serialised(self) -> bytes:
        """The record's bytes, not compressed."""
        out = io.BytesIO()
        writer = WARCWriter(out, gzip=False, warc_version="1.1")
        writer.write_record(self._record(writer))
        if not self.length_error:
            return out.getvalue()
        return re.sub(
            rb"Content-Length: (\d+)(\r\n\r\n)",
            lambda found: b"Content-Length: %d%s" % (int(found[1]) + self.length_error, found[2]),
            out.getvalue(),
            count=1,
        )

    def _record(self, writer: WARCWriter) -> ArcWarcRecord:
        headers = {"WARC-Record-ID": self.record_id, "WARC-Date": _warc_date(self.moment)} | dict(self.extra)
        if self.kind == "warcinfo":
            record = writer.create_warcinfo_record(self.url, {"software": "samples/build.py", "format": "WARC/1.1"})
            record.rec_headers.replace_header("WARC-Record-ID", headers["WARC-Record-ID"])
            record.rec_headers.replace_header("WARC-Date", headers["WARC-Date"])
            return record
        http = None
        if self.kind == "garbled":
            return self._garbled(writer, headers)
        if self.kind in {"response", "revisit"}:
            line = f"{self.status} {REASONS[self.status]}"
            http = StatusAndHeaders(line, list(self.headers), protocol="HTTP/1.1", is_http_request=False)
        elif self.kind == "request":
            http = StatusAndHeaders("GET / HTTP/1.1", list(self.headers), is_http_request=True)
        if self.revisits is not None:
            digest = "sha1:" + _base32(hashlib.sha1(self.body, usedforsecurity=False).digest())
            return writer.create_revisit_record(
                self.url, digest, self.url, _warc_date(self.revisits), http_headers=http, warc_headers_dict=headers
            )
        content_type = {"dns": "text/dns", "metadata": "application/warc-fields"}.get(self.kind, "")
        return writer.create_warc_record(
            self.url,
            "resource" if self.kind == "dns" else self.kind,
            payload=io.BytesIO(self.body),
            http_headers=http,
            warc_content_type=content_type,
            warc_headers_dict=headers,
        )

    def _garbled(self, writer: WARCWriter, headers: dict[str, str]) -> ArcWarcRecord:
        """A response whose block does not begin as HTTP does."""
        record = writer.create_warc_record(
            self.url, "resource", payload=io.BytesIO(self.body), warc_content_type="application/http; msgtype=response",
            warc_headers_dict=headers,
        )  # fmt: skip
        record.rec_headers.replace_header("WARC-Type", "response")
        return record

    @property
    def record_id(self) -> str:
        told = repr((self.archive, self.url, self.moment, self.kind, self.status, self.headers)).encode() + self.body
        return f"<urn:uuid:{uuid.UUID(bytes=hashlib.sha256(told).digest()[:16], version=4)}>"


def page_record(page: Page, html: str) -> Record:
    """The record of a page: its particulars say how its text was encoded and sent."""
    meta = page.meta
    encoding = str(meta.get("encoding", "utf-8"))
    body = html.encode(encoding, errors="xmlcharrefreplace")
    if "cut" in meta:
        body = body[: len(body) * int(meta["cut"]) // 100]
    charset = declared_charset(page) if site(page.site).get("charset_in_header", True) else None
    content_type = meta.get("content_type", f"text/html; charset={charset}" if charset else "text/html")
    headers = [("Content-Type", content_type)] if content_type else []
    headers += [("Server", "Apache/2.2.22"), *dict(meta.get("headers", {})).items()]
    headers, body = on_the_wire(headers, body, meta.get("wire", ()), int(meta.get("http_length_error", 0)))
    return Record(
        archive=str(meta.get("archive", site(page.site).get("archive", _usual_archive(page.site)))),
        url=str(meta.get("recorded_as", page.url)),
        moment=page.captured,
        status=int(meta.get("status", 200)),
        headers=tuple(headers),
        body=body,
        extra=(("WARC-Truncated", "length"),) if "cut" in meta else (),
        length_error=int(meta.get("warc_length_error", 0)),
    )


def revisit(record: Record, moment: str, archive: str) -> Record:
    """A later record that says: the same body as in that one."""
    return dataclasses.replace(
        record, archive=archive, moment=at(moment), kind="revisit", revisits=record.moment, extra=(), length_error=0
    )


def odd_record(told: Mapping[str, Any]) -> Record:
    """A record that `oddities.yaml` describes."""
    kind, status = told.get("kind", "response"), int(told.get("status", 200))
    body = BODIES[told["body"]]() if "body" in told else str(told.get("text", "")).encode()
    headers = [(name, str(value)) for name, value in told.get("headers", {}).items()]
    if "to" in told:
        headers.append(("Location", told["to"]))
        body = b'<html><head><title>Moved</title></head><body><a href="%s">here</a></body></html>' % told["to"].encode()
        status = int(told.get("status", 301))
    if kind == "response":
        headers, body = on_the_wire(headers, body, told.get("wire", ()), 0)
    revisits = at(told["revisits"]) if "revisits" in told else None
    return Record(told["archive"], told["url"], at(told["at"]), status, tuple(headers), body, kind, revisits)


def on_the_wire(
    headers: list[tuple[str, str]], body: bytes, ways: Iterable[str], length_error: int
) -> tuple[list[tuple[str, str]], bytes]:
    """A body as it was sent: `gzip`, `deflate` or `br` compressed it, then `chunked` cut it into pieces."""
    for way in ways:
        if way == "chunked":
            return [*headers, ("Transfer-Encoding", "chunked")], b"".join(_chunks(body, 1000))
        body = {"gzip": _gzipped, "deflate": zlib.compress, "br": brotli.compress}[way](body)
        headers = [*headers, ("Content-Encoding", way)]
    return [*headers, ("Content-Length", str(len(body) + length_error))], body


def archives(records: Iterable[Record]) -> dict[str, bytes]:
    """The archives' bytes by file name. The last record of the clipped file loses its second half."""
    by_archive: dict[str, list[Record]] = {name: [] for name in FILES}
    for record in records:
        by_archive[record.archive].append(record)
    return {FILES[name]: _archive(name, found) for name, found in by_archive.items()}


def _archive(name: str, records: list[Record]) -> bytes:
    records = sorted(records, key=lambda record: (record.moment, record.url))
    opening = Record(name, FILES[name], records[0].moment, kind="warcinfo")
    pieces = [record.serialised() for record in (opening, *records)]
    if name == "plain":
        return b"".join(pieces)
    pieces = [_gzipped(piece) for piece in pieces]
    if name == "clipped":
        pieces[-1] = pieces[-1][: len(pieces[-1]) // 2]
    return b"".join(pieces)


def _usual_archive(site: str) -> str:
    return ("first", "second")[hashlib.sha256(site.encode()).digest()[0] % 2]


def _gzipped(body: bytes) -> bytes:
    member = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # as a gzip member without a time stamp
    return member.compress(body) + member.flush()


def _chunks(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _warc_date(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _base32(digest: bytes) -> str:
    return base64.b32encode(digest).decode()

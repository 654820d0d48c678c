"""Is this a web page at all? Told from the declared type and, because servers lie, from the first bytes.

In the manner of https://mimesniff.spec.whatwg.org/, narrowed to the question "HTML or not".
"""

import re

_MAGIC = (
    (b"%PDF-", "pdf"), (b"%!PS", "postscript"), (b"\x89PNG\r\n", "png"), (b"GIF8", "gif"), (b"\xff\xd8\xff", "jpeg"),
    (b"RIFF", "riff"),
    (b"PK\x03\x04", "zip"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "rar"), (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"), (b"ID3", "mp3"), (b"OggS", "ogg"), (b"\x1aE\xdf\xa3", "matroska"),
    (b"fLaC", "flac"), (b"\x7fELF", "elf"),
    (b"MZ", "exe"), (b"\xca\xfe\xba\xbe", "class"), (b"wOFF", "font"), (b"wOF2", "font"),
    (b"\x00\x00\x01\x00", "icon"), (b"{\\rtf", "rtf"),
    (b"\xd0\xcf\x11\xe0", "ole"), (b"FWS", "flash"), (b"CWS", "flash"), (b"<svg", "svg"),
)  # fmt: skip
_HTML_TYPES = ("text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml", "")
_OPAQUE_TYPES = (
    "application/octet-stream",
    "text/plain",
    "unknown/unknown",
    "*/*",
    "content/unknown",
    "application/xml",
    "text/xml",
)
_FEED = re.compile(rb"<(?:rss|feed|rdf:RDF|sitemapindex|urlset|opml|svg|kml)[\s>]", re.IGNORECASE)
_HTML_START = re.compile(
    rb"<(?:!doctype\s+html|(?:html|head|body|title|meta|script|div|p|table|h1|a|br)\b|!--)", re.IGNORECASE
)
_ANY_TAG = re.compile(rb"<[a-z!/?][^<>]{0,2000}>", re.IGNORECASE)
_BINARY = bytes([*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
"""Bytes that no text contains (escape, 0x1B, is part of ISO-2022)."""
_WINDOW = 4096
_BINARY_SHARE = 0.05


def not_html(body: bytes, content_type: str) -> str | None:
    """What the body is instead of HTML ("pdf", "json", "plain text" …), or None for a web page.

    An empty body counts as a page: it has no text, which is another reason.
    """
    start = body[:_WINDOW].lstrip(b"\xef\xbb\xbf \t\r\n\x0c")
    if not start:
        return None
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return name
    declared = content_type.split(";")[0].strip().lower()
    if declared not in _HTML_TYPES and not (declared in _OPAQUE_TYPES and _HTML_START.search(start[:1024])):
        return declared[:80]
    if _two_byte(body):
        return None
    if start[4:8] == b"ftyp":
        return "mp4"
    if sum(map(start.count, map(bytes, zip(_BINARY)))) > _BINARY_SHARE * len(start):
        return "binary"
    if start[:1] in b"{[" and not _HTML_START.search(start[:1024]):
        return "json"
    if _FEED.search(start[:1024]) and not re.search(rb"<(?:html|body)\b", start[:1024], re.IGNORECASE):
        return "xml feed"
    return None if _ANY_TAG.search(body[: 1 << 20]) else "plain text"


def _two_byte(body: bytes) -> bool:
    return body.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"<\x00", b"\x00<", b"\x00\x00\x00<"))

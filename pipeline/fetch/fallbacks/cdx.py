"""What index servers answer: captures as JSON, one object a line (Common Crawl) or one array in all (Wayback).

Sources: pywb's documentation of its CDXJ server, which Common Crawl runs; the README of internetarchive/wayback's CDX
server. Rows that make no sense are left out: an index of many billions has some.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pipeline import urls
from pipeline.fetch.fallbacks.held import Held
from pipeline.warc import parse_date

WAYBACK_FIELDS = ("timestamp", "original", "statuscode", "mimetype", "digest", "length")

_NOTHING = frozenset({"", "-"})


def of_lines(body: bytes, link_id: str) -> list[Held]:
    """The captures of an address in Common Crawl's answer; a last line that breaks off is left out."""
    return [held for line in body.splitlines() for held in _captures(_object(line), link_id, "url", "status", "mime")]


def of_array(body: bytes, link_id: str) -> list[Held] | None:
    """The captures of an address in the Wayback Machine's answer; None when it is no such answer.

    The first row names the columns. Nothing at all, which is what some versions send for nothing, is nothing.
    """
    if not body.strip():
        return []
    try:
        rows = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return None
    objects = (dict(zip(map(str, rows[0]), row, strict=False)) for row in rows[1:])
    return [
        held
        for fields in objects
        for held in _captures(fields, link_id, "original", "statuscode", "mimetype", has_place=False)
    ]


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _captures(
    fields: Mapping[str, Any], link_id: str, url: str, status: str, kind: str, *, has_place: bool = True
) -> Iterator[Held]:
    """The capture that an index's row tells of, if it is one, and of this address."""
    address, date = str(fields.get(url, "")), parse_date(str(fields.get("timestamp", "")))
    normal = urls.normalise(address)
    if normal is None or date is None or urls.link_id(normal) != link_id:
        return
    held = Held(
        url=address,
        date=date,
        status=_number(fields.get(status)),
        content_type=_text(fields.get(kind)),
        truncated=_text(fields.get("truncated")) or _text(fields.get("warc-truncated")),
        digest=_text(fields.get("digest")),
    )
    if not has_place:
        yield held
        return
    file, offset, length = _text(fields.get("filename")), _number(fields.get("offset")), _number(fields.get("length"))
    if file and offset is not None and length:
        yield held._replace(file=file, offset=offset, length=length)


def _text(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) else ""
    return "" if text in _NOTHING else text


def _number(value: Any) -> int | None:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

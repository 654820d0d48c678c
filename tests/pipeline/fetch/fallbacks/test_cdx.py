"""What index servers may answer."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fetch.fallbacks.cdx import WAYBACK_FIELDS, of_array, of_lines
from pipeline.fetch.fallbacks.held import Held
from tests.pipeline.fetch.archive_bytes import id_of

URL = "http://a.test/page"
ROW = {
    "urlkey": "test,a)/page",
    "timestamp": "20150304050607",
    "url": "https://www.a.test/page/",
    "mime": "text/html",
    "mime-detected": "text/html",
    "status": "200",
    "digest": "ABC",
    "length": "1234",
    "offset": "77",
    "filename": "crawl-data/CC-MAIN-2015-11/segments/1/warc/a.warc.gz",
}


def lines(*rows: Any) -> list[Held]:
    return of_lines(b"\n".join(json.dumps(row).encode() for row in rows), id_of(URL))


def test_a_line_of_common_crawl() -> None:
    held = Held(ROW["url"], 1425445567, 200, "text/html", "", "ABC", ROW["filename"], 77, 1234)
    assert lines(ROW) == [held]
    assert lines(ROW | {"truncated": "length"}) == [held._replace(truncated="length")]
    assert lines(ROW | {"status": "-"}) == [held._replace(status=None)]
    assert lines(ROW | {"offset": 77, "length": 1234, "status": 200}) == [held]


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://a.test/other"},
        {"url": "mailto:a"},
        {"url": None},
        {"timestamp": "never"},
        {"timestamp": "20151399000000"},
        {"offset": "-1"},
        {"offset": "1e3"},
        {"offset": "9" * 30},
        {"length": "0"},
        {"length": ""},
        {"filename": ""},
        {"filename": None},
        {"filename": ["a"]},
    ],
)
def test_rows_that_make_no_sense_are_left_out(change: dict[str, Any]) -> None:
    assert lines(ROW | change, ROW) == lines(ROW)


def test_a_line_that_breaks_off_is_left_out() -> None:
    whole = json.dumps(ROW).encode()
    assert len(of_lines(whole + b"\n" + whole[:50], id_of(URL))) == 1
    assert of_lines(b"<html>Bad Gateway</html>", id_of(URL)) == []
    assert of_lines(b"[1, 2]\n3\n\xff\xfe\n", id_of(URL)) == []


def array(*rows: Any) -> list[Held] | None:
    return of_array(json.dumps([list(WAYBACK_FIELDS), *rows]).encode(), id_of(URL))


def test_an_array_of_the_wayback_machine() -> None:
    row = ["20150304050607", "http://a.test:80/page", "200", "text/html", "ABC", "1234"]
    held = Held("http://a.test:80/page", 1425445567, 200, "text/html", "", "ABC")
    assert array(row) == [held]
    assert array(row[:2], row) == [held._replace(status=None, content_type="", digest=""), held]
    assert array([*row, "more"], ["20150304050607", "http://b.test/"]) == [held]
    assert array() == []
    assert of_array(b"", id_of(URL)) == of_array(b"\n", id_of(URL)) == of_array(b"[]", id_of(URL)) == []


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"3", b'["a"]', b'[["timestamp"], 3]', b'[["timestamp"'])
def test_what_is_no_list_of_captures(body: bytes) -> None:
    assert of_array(body, id_of(URL)) is None


@settings(max_examples=50)
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_nothing_raises(body: bytes) -> None:
    of_lines(body, id_of(URL))
    of_array(body, id_of(URL))

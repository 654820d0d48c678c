"""What is a web page, whatever the server says."""

import pytest

from pipeline.extract.media import not_html


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"%PDF-1.4 ...", "text/html", "pdf"),
        (b"\x89PNG\r\n\x1a\n", "text/html", "png"),
        (b'{"a": "b <b>"}', "text/html", "json"),
        (b"<html></html>", "application/pdf", "application/pdf"),
        (b"just words, no tag; a < b", "text/html", "plain text"),
        (b'<?xml version="1.0"?><rss version="2.0"><p>x</p></rss>', "text/xml", "xml feed"),
        (bytes(range(256)) * 8, "text/html", "binary"),
        (b"# readme\n", "text/plain", "text/plain"),
        (b"<!DOCTYPE html><p>x", "text/plain", None),
        (b"<p>a fragment", "", None),
        (b'<?xml version="1.0"?><html xmlns="x"><body>', "application/xhtml+xml", None),
        ("<html><p>x</p>".encode("utf-16"), "text/html", None),
        (b"", "text/html", None),
        (b"  \n ", "text/html", None),
        (b"<p>one \x00 zero byte" + b" and text" * 50, "text/html", None),
    ],
)
def test_kinds(body: bytes, content_type: str, kind: str | None) -> None:
    assert not_html(body, content_type) == kind

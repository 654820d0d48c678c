"""Exchanges as a transfer makes them, without a server."""

from pipeline.fetch.live.transfer import Exchange
from pipeline.warc import parse_http_head
from tests.pipeline.fetch.live.web import page


def exchange(url: str = "http://example.org/", response: bytes | None = None, truncated: str = "") -> Exchange:
    response = page() if response is None else response
    head = parse_http_head(response)
    assert head is not None
    request = f"GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: webtext/0 (+{url})\r\n\r\n".encode()
    return Exchange(url, request, response, head, 1_700_000_000, "192.0.2.7", truncated)

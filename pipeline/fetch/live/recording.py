"""An answer as it comes: kept byte for byte, within bounds, until it is whole or cannot become so.

Where an answer ends, and what is no HTTP at all, says llhttp, the parser of Node.js, through httptools: a microsecond
an answer, where aiohttp's own binding takes four and h11 forty.
"""

import re
from collections.abc import Callable

import httptools

from pipeline.ledger import Ending, Reason, failed
from pipeline.warc import HttpHead, parse_http_head

MAX_HEAD = 32 * 1024
"""Bytes that the head of an answer may have, interim answers included."""

Stop = Callable[[HttpHead], "Ending | int"]
"""From the head of an answer: how the link ends without its body, or how many bytes of it may be read."""

_SWITCHING_PROTOCOLS = 101
_BODILESS = frozenset({_SWITCHING_PROTOCOLS, 204, 304})
_INTERIM = re.compile(rb"HTTP/\d\.\d 1(?!01)\d\d\b(?s:.*?)\r?\n\r?\n")
_LINE_ENDS = b"\r\n"


class Recording:
    """What comes over one connection, one answer after the other. Before the first, nothing is expected."""

    def __init__(self) -> None:
        self.keeps = True
        """Whether another request may follow on the connection."""
        self._progress = _Progress()
        self._done = True
        self._parts: list[bytes] = []

    def begin(self, stop: Stop) -> None:
        """Expect an answer. stop: decides from its head whether its body is wanted."""
        self.head: HttpHead | None = None
        self.ending: Ending | None = None
        """What is wrong with the answer, or why it is not wanted."""
        self.truncated = ""
        """Why its body is not whole, in the words of WARC-Truncated; empty when it is."""
        self._progress.begin()
        self._done = False
        self._stop = stop
        self._parts, self._size = [], 0
        self._start = self._limit = 0

    @property
    def empty(self) -> bool:
        """Whether nothing has come."""
        return not self._parts

    def take(self) -> bytes:
        """Head and body as they came, once: without interim answers (status 1xx), and what follows a stated length."""
        content, self._parts = _joined(self._parts), []
        end = None if self.head is None else _stated_end(self.head)
        return content[self._start : None if end is None else self._start + end]

    def add(self, data: bytes) -> bool:
        """Take what came; True when nothing more is to be waited for."""
        if self._done:
            self.keeps = self.keeps and not data.strip(_LINE_ENDS)
            return True
        self._parts.append(data)
        self._size += len(data)
        progress = self._progress
        flaw = progress.feed(data)
        if self.head is None:
            if progress.in_body:
                self._take_head()
            elif flaw:
                self.ending = failed(Reason.BAD_RESPONSE, flaw)
            elif self._size > MAX_HEAD:
                self.ending = _too_large_a_head()
        if self.head is not None and self.ending is None:
            self._look_at_body(self.head, flaw)
        self._done = progress.complete or self.ending is not None or bool(self.truncated)
        if self._done:
            self.keeps = progress.keeps and self.ending is None and not self.truncated
        return self._done

    def end(self, error: Exception | None) -> None:
        """The connection has come to its end. error: why, where that was no orderly end."""
        self.keeps = False
        if self._done:
            return
        self._done = True
        if self.head is not None:
            if error is not None or not _ends_with_connection(self.head):
                self.truncated = "disconnect"
        elif error is not None:
            self.ending = failed(Reason.CONNECTION_ERROR, words_of(error))
        elif self.empty:
            self.ending = failed(Reason.CONNECTION_ERROR, "closed without an answer")
        else:
            self.ending = failed(Reason.BAD_RESPONSE, "breaks off in its head")

    def _take_head(self) -> None:
        content = _joined(self._parts)
        self._parts = [content]
        if content.startswith((b"\r", b"\n")):  # left over from the answer before
            self._start = len(content) - len(content.lstrip(_LINE_ENDS))
        if self._progress.interim:
            while found := _INTERIM.match(content, self._start):
                self._start = found.end()
        if self._start:
            content = content[self._start :]
        self.head = head = parse_http_head(content)
        if head is None or not head.complete:
            self.ending = failed(Reason.BAD_RESPONSE, "no status line" if head is None else "a head without end")
        elif self._start + head.size > MAX_HEAD:
            self.ending = _too_large_a_head()
        elif content.find(b"\0", 0, head.size) >= 0:
            self.ending = failed(Reason.BAD_RESPONSE, "a zero byte in its head")
        else:
            limit = self._stop(head)
            if isinstance(limit, Ending):
                self.ending = limit
            else:
                self._limit = limit

    def _look_at_body(self, head: HttpHead, flaw: str) -> None:
        end = _stated_end(head) if self._progress.complete else None
        size = (self._size - self._start if end is None else end) - head.size
        if size > self._limit:
            self.truncated = "length"
        elif flaw and self._progress.chunked:
            self.truncated = "disconnect"
        elif flaw:
            self.ending = failed(Reason.BAD_RESPONSE, flaw)


class _Progress:
    """How far the parser has got: an object of its own, so that no circle of references holds an answer's bytes."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        # What all browsers take: line feeds alone, odd bytes in values, blanks behind the size of a chunk.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.keeps = True
        self.complete = True

    def begin(self) -> None:
        """Expect an answer."""
        self.interim = self.in_body = self.chunked = self.complete = False

    def feed(self, data: bytes) -> str:
        """What is wrong with the answer; empty when nothing is, or when it is complete."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.keeps = False
        except httptools.HttpParserError as error:
            self.keeps = False
            return "" if self.complete else words_of(error)
        return ""

    # These four are called by the parser.

    def on_message_begin(self) -> None:
        """An answer begins: when none is expected, somebody sends what was not asked for."""
        self.keeps = self.keeps and not self.complete

    def on_headers_complete(self) -> None:
        """The head has ended."""
        if not self.complete:
            self.in_body = self._parser.get_status_code() // 100 != 1 or self._is_switching()
            self.interim = self.interim or not self.in_body

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self.chunked = self.chunked or not self.complete

    def on_message_complete(self) -> None:
        """The answer has ended."""
        if self.in_body and not self.complete:
            self.complete = True
            self.keeps = self.keeps and self._parser.should_keep_alive()

    def _is_switching(self) -> bool:
        return bool(self._parser.get_status_code() == _SWITCHING_PROTOCOLS)


def _joined(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large_a_head() -> Ending:
    return failed(Reason.BAD_RESPONSE, f"a head of more than {MAX_HEAD} bytes")


def _stated_end(head: HttpHead) -> int | None:
    """Where the body ends by its stated length; None where chunks, or the end of the connection, end it."""
    if head.status in _BODILESS:
        return head.size
    length = head.headers.get("content-length", "")
    if "transfer-encoding" in head.headers or not (length.isascii() and length.isdigit()):
        return None
    return head.size + int(length[:18])


def _ends_with_connection(head: HttpHead) -> bool:
    """Whether there is neither a length nor chunks, so that the end of the connection is that of the body."""
    return "content-length" not in head.headers and "chunked" not in head.headers.get("transfer-encoding", "").lower()


def words_of(error: BaseException) -> str:
    """One line of an error, without what an attacker might put there at length."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]

"""What a child does with one record, from its bytes to a text."""

import gzip
import hashlib
import pickle

from hypothesis import given
from hypothesis import strategies as st

from pipeline.extract.rules import ExtractRules
from pipeline.extract.task import Page, ReadPage, Text, counted
from pipeline.ledger import Ending, Reason
from pipeline.sandbox import Crashed, Done, Limits, Sandbox

ARTICLE = "".join(
    f"<p>Paragraph {number} of an article about lighthouses, which people wrote for other people to read at home.</p>"
    for number in range(12)
)
URL = "http://example.org/lighthouses"


def record(body: str, content_type: str = "text/html; charset=utf-8") -> bytes:
    """A response record as an archive holds it."""
    page = f"<html><head><title>Lighthouses</title></head><body><article>{body}</article></body></html>".encode()
    http = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        content_type.encode(),
        len(page),
        page,
    )
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {URL}\r\nWARC-Date: 2012-01-01T00:00:00Z\r\n"
    head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    return gzip.compress(head.encode() + http + b"\r\n\r\n")


def test_a_page_becomes_its_text_with_counts() -> None:
    text = ReadPage(ExtractRules(refuse_low_quality=False))(Page(record(ARTICLE), URL))
    assert isinstance(text, Text), text
    assert text.text.startswith("Paragraph 0 of an article")
    assert text.language == "en"
    assert text.char_count == len(text.text)
    assert text.word_count == 12 * 17
    assert text.text_sha256 == hashlib.sha256(text.text.encode()).hexdigest()


def test_a_page_that_the_rules_refuse_ends_with_their_reason() -> None:
    ending = ReadPage(ExtractRules(min_words=1000))(Page(record(ARTICLE), URL))
    assert isinstance(ending, Ending)
    assert ending.reason is Reason.TOO_SHORT


def test_a_record_that_cannot_be_read_ends_with_its_reason() -> None:
    read = ReadPage(ExtractRules(), max_bytes=1000)
    for content, reason in (
        (record(ARTICLE), Reason.TOO_LARGE),
        (b"", Reason.BROKEN_RECORD),
        (b"\x1f\x8b", Reason.BROKEN_RECORD),
    ):
        ending = read(Page(content, URL))
        assert isinstance(ending, Ending), ending
        assert ending.reason is reason


def test_the_task_travels_to_children() -> None:
    read = ReadPage(ExtractRules(languages=("de",)), 5)
    assert pickle.loads(pickle.dumps(read)) == read
    read.warm_up()


def test_a_page_that_memory_does_not_hold_is_a_crash_and_no_empty_page() -> None:
    limits = Limits(workers=1, deadline_seconds=60, memory_bytes=400_000_000)
    reader = ReadPage(ExtractRules())
    with Sandbox(reader, limits, warm_up=reader.warm_up) as sandbox:
        found = list(sandbox.map([(0, Page(record("<p>a<p>b" * 1_000_000), URL)), (1, Page(record(ARTICLE), URL))]))
    assert found[0] == (0, Crashed("memory limit of 400000000 bytes"))
    assert isinstance(found[1][1], Done), found[1]


def test_code_points_that_no_file_can_hold_become_question_marks() -> None:
    assert counted("a\ud800b", "\udfff", "en", 1)[:2] == ("a?b", "?")


@given(st.text(st.characters(exclude_categories=[])))
def test_counts_are_those_of_the_text_as_written(text: str) -> None:
    found = counted(text, text, "en", 0.5)
    content = found.text.encode()
    assert found.char_count == len(content.decode())
    assert found.text_sha256 == hashlib.sha256(content).hexdigest()
    assert found.word_count == len(found.text.split())

"""Answers in any pieces, from good servers and bad ones, without a server."""

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fetch.live.recording import MAX_HEAD, Recording
from pipeline.ledger import Ending, Reason, dropped
from pipeline.warc import HttpHead

LIMIT = 2000
BAD = Reason.BAD_RESPONSE


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What a recording makes of an answer."""

    reason: Reason | None
    truncated: str
    answer: bytes
    keeps: bool
    done: bool


def record(pieces: Sequence[bytes], *, ends: bool = True, error: Exception | None = None) -> Recorded:
    recording = Recording()
    recording.begin(lambda head: LIMIT)
    done = False
    for piece in pieces:
        done = recording.add(piece)
    keeps = recording.keeps
    if ends:
        recording.end(error)
    answer = recording.take() if recording.head is not None and recording.ending is None else b""
    return Recorded(recording.ending and recording.ending.reason, recording.truncated, answer, keeps, done)


def head(*headers: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *headers, "", ""]).encode("latin-1")


HELLO = head("Content-Length: 5") + b"hello"
CHUNKS = head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: a\r\n\r\n"
EARLY = head("Link: </a>", status="HTTP/1.1 103 Early Hints")

SWITCH = head("Upgrade: x", status="HTTP/1.1 101 Switching Protocols")


@pytest.mark.parametrize(
    ("sent", "answer", "keeps"),
    [
        (HELLO, HELLO, True),
        (CHUNKS, CHUNKS, True),
        (EARLY + EARLY + HELLO, HELLO, True),
        (head("Content-Length: 0"), head("Content-Length: 0"), True),
        (head("Connection: close", "Content-Length: 5") + b"hello",) * 2 + (False,),
        (head("Content-Length: 5", status="HTTP/1.0 200 OK") + b"hello",) * 2 + (False,),
        (head("Connection: keep-alive", "Content-Length: 5", status="HTTP/1.0 200 OK") + b"hello",) * 2 + (True,),
        (head("Content-Length: 7", status="HTTP/1.1 304 Not Modified"),) * 2 + (True,),
        (head(status="HTTP/1.1 204 No Content"),) * 2 + (True,),
        (head("Upgrade: h2c", "Connection: Upgrade, keep-alive", "Content-Length: 5") + b"hello",) * 2 + (True,),
        (SWITCH + b"\x00binary", SWITCH, False),
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",) * 2 + (True,),
        (head("X-A: a", " folded", "Content-Length: 5") + b"hello",) * 2 + (True,),
        (head("X-\xe4: \xff\x80", "Content-Length: 5") + b"hello", b"", False),
        (head("X-A: \xe4\xff\x80", "Content-Length: 5") + b"hello",) * 2 + (True,),
    ],
)  # fmt: skip
def test_answers_that_end_by_themselves(sent: bytes, answer: bytes, keeps: bool) -> None:
    whole = record([sent], ends=False)
    assert whole == Recorded(None if answer else BAD, "", answer, keeps, True)


@pytest.mark.parametrize(
    ("sent", "reason", "truncated"),
    [
        (head() + b"hello", None, ""),
        (head("Transfer-Encoding: gzip") + b"hello", None, ""),
        (head("Content-Length: 9") + b"hello", None, "disconnect"),
        (CHUNKS[:-1], None, "disconnect"),
        (head("Transfer-Encoding: chunked"), None, "disconnect"),
        (CHUNKS.replace(b"\r\n6;", b"\r\nno;"), None, "disconnect"),
        (head("Transfer-Encoding: chunked") + b"no\r\n", BAD, ""),
        (head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", BAD, ""),
        (head("Content-Length: 5", "Content-Length: 5") + b"hello", BAD, ""),
        (head("Content-Length: +5") + b"hello", BAD, ""),
        (head("Content-Length: 5 5") + b"hello", BAD, ""),
        (head("Content-Length: 99999999999999999999") + b"hello", BAD, ""),
        (head("X: a\0b", "Content-Length: 5") + b"hello", BAD, ""),
        (b"hello, I speak HTTP/0.9", BAD, ""),
        (head(status="HTTP/2 200") + b"hello", BAD, ""),
        (head(status="HTTP/1.1 20") + b"hello", BAD, ""),
        (EARLY, BAD, ""),
        (b"\r\n\r\n", BAD, ""),
        (b"", Reason.CONNECTION_ERROR, ""),
        (head("Content-Length: 3000") + b"a" * 3000, None, "length"),
        (head() + b"a" * 3000, None, "length"),
        (head("Transfer-Encoding: chunked") + b"1;" + b"x" * 3000, None, "length"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD, BAD, ""),
        (b"HTTP/1.1 200 " + b"O" * MAX_HEAD, BAD, ""),
        (EARLY * (MAX_HEAD // len(EARLY) + 1) + HELLO, BAD, ""),
    ],
)  # fmt: skip
def test_answers_that_the_end_of_the_connection_ends(sent: bytes, reason: Reason | None, truncated: str) -> None:
    recorded = record([sent] if sent else [])
    assert (recorded.reason, recorded.truncated) == (reason, truncated)
    if not truncated and reason is None:
        assert recorded.answer == sent


def test_a_connection_that_is_reset_spoils_what_nothing_else_ends() -> None:
    reset = ConnectionResetError(104, "Connection reset by peer")
    assert record([], error=reset).reason == Reason.CONNECTION_ERROR
    assert record([HELLO[:9]], error=reset).reason == Reason.CONNECTION_ERROR
    assert record([head(), b"hello"], error=reset).truncated == "disconnect"
    assert record([HELLO], error=reset) == dataclasses.replace(record([HELLO]), keeps=True)


def test_what_the_head_rules_out_is_left() -> None:
    recording, ending = Recording(), dropped(Reason.NOT_HTML, "video/mp4")
    seen: list[HttpHead] = []

    def stop(head: HttpHead) -> Ending:
        seen.append(head)
        return ending

    recording.begin(stop)
    assert recording.add(head("Content-Type: video/mp4", "Content-Length: 900"))
    assert (recording.ending, recording.keeps, [each.headers["content-type"] for each in seen]) == (
        ending, False, ["video/mp4"],
    )  # fmt: skip


@pytest.mark.parametrize("answer", [HELLO, CHUNKS], ids=["length", "chunks"])
@pytest.mark.parametrize("apart", [False, True], ids=["together", "later"])
@pytest.mark.parametrize("rubbish", [HELLO, b"llo", b"HTTP/1.1 2", b"\0", b"\r\nx"])
def test_what_follows_an_answer_is_of_no_other(answer: bytes, apart: bool, rubbish: bytes) -> None:
    recorded = record([answer, rubbish] if apart else [answer + rubbish], ends=False)
    assert (recorded.reason, recorded.truncated, recorded.keeps) == (None, "", False)
    assert recorded.answer == answer if answer is HELLO or apart else recorded.answer.startswith(answer)


def test_a_stray_line_end_behind_an_answer_is_nothing() -> None:
    for pieces in ([HELLO + b"\r\n"], [HELLO, b"\r\n"]):
        assert record(pieces, ends=False) == Recorded(None, "", HELLO, True, True)


def test_one_answer_after_the_other() -> None:
    recording = Recording()
    for sent in (HELLO, CHUNKS, EARLY + HELLO, b"\r\n" + HELLO, CHUNKS):
        recording.begin(lambda head: LIMIT)
        assert recording.empty
        assert recording.add(sent)
        assert (recording.ending, recording.keeps) == (None, True)
        assert sent.endswith(recording.take())


ANSWERS = [
    HELLO, CHUNKS, EARLY + HELLO, EARLY + EARLY + CHUNKS, head() + b"hello", HELLO[:-2], CHUNKS[:-1],
    head("Content-Length: 3000") + b"a" * 3000, head("Transfer-Encoding: chunked") + b"no chunk",
    CHUNKS.replace(b"\r\n6;", b"\r\nno;"), head("no colon"), b"<html>", head("Content-Length: x"), b"",
    head("X: a", " b", "Content-Length: 5").replace(b"\r", b"") + b"hello",
]  # fmt: skip


@given(st.sampled_from(ANSWERS) | st.binary(max_size=80) | st.binary(max_size=80).map(head().__add__), st.data())
def test_the_pieces_in_which_an_answer_comes_change_nothing(sent: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True) if start < end]
    whole, apart = record([sent] if sent else []), record(pieces)
    assert (apart.reason, apart.truncated) == (whole.reason, whole.truncated)
    if whole.truncated:  # it may be left where it proves too large, or goes astray
        assert whole.answer.startswith(apart.answer)
    else:
        assert apart.answer == whole.answer


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6))
def test_nothing_that_comes_raises(pieces: list[bytes]) -> None:
    record(pieces)
    record([head("Transfer-Encoding: chunked"), *pieces])
    record([HELLO, *pieces])

import gzip
import hashlib
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from pipeline.fetch.live.warc_records import exchange_records, info_record
from pipeline.warc import HttpResponse, read_response
from tests.pipeline.fetch.live.exchanges import exchange
from tests.pipeline.fetch.live.web import page

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
ODD = b"HTTP/1.1 200\r\nX-Odd:   spaces \r\nx-odd: again\r\nContent-Length: 5\r\n\r\nhello"


def write(path: Path, *members: bytes) -> Path:
    path.write_bytes(b"".join(members))
    return path


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (page(b"hello"), b"hello"),
        (CHUNKED, b"hello"),
        (ODD, b"hello"),
        (page(gzip.compress(b"hello"), "200 OK", "Content-Encoding: gzip"), b"hello"),
        (page(b""), b""),
        (page(b"hello \xe4\xf6", "200 OK", "X-\xe4: \xf6"), b"hello \xe4\xf6"),
    ],
)
def test_our_own_reader_reads_what_was_sent(response: bytes, body: bytes) -> None:
    read = read_response(exchange_records(exchange(response=response))[0], 1 << 20)
    assert isinstance(read, HttpResponse)
    assert (read.status, read.body, read.flaw) == (200, body, "")


def test_a_record_is_one_gzip_member_that_holds_the_bytes_as_they_came() -> None:
    plain = gzip.decompress(exchange_records(exchange(response=ODD))[0])
    assert plain.endswith(b"\r\n\r\n" + ODD + b"\r\n\r\n")
    assert b"WARC-Target-URI: http://example.org/\r\n" in plain
    assert b"WARC-Date: 2023-11-14T22:13:20Z\r\n" in plain


class _Arguments:
    def __init__(self, path: Path) -> None:
        self.inputs = [str(path)]
        self.verbose = True


def test_warcio_reads_and_checks_it(tmp_path: Path) -> None:
    exchanges = [exchange(response=response) for response in (page(b"hello"), CHUNKED, ODD)]
    path = write(
        tmp_path / "a.warc.gz",
        info_record("a.warc.gz", 1_700_000_000, [("software", "webtext/0"), ("robots", "obey")]),
        *(member for each in exchanges for member in exchange_records(each)),
    )
    checker = Checker(_Arguments(path))
    checker.process_all()
    assert checker.exit_value == 0
    with path.open("rb") as file:
        records = [
            (record.rec_type, record.rec_headers.get_header("WARC-Record-ID"), record.content_stream().read())
            for record in ArchiveIterator(file)
        ]
    assert [kind for kind, *_ in records] == ["warcinfo", *["response", "request"] * 3]
    assert [body for kind, _, body in records if kind == "response"] == [b"hello"] * 3
    assert len({name for _, name, _ in records}) == 7


def test_a_request_names_its_answer() -> None:
    answer, asked = map(gzip.decompress, exchange_records(exchange()))
    name = answer.partition(b"WARC-Record-ID: ")[2].partition(b"\r\n")[0]
    assert b"WARC-Concurrent-To: " + name in asked


def test_what_is_not_whole_says_so() -> None:
    plain = gzip.decompress(exchange_records(exchange(response=page(b"hello")[:-2], truncated="disconnect"))[0])
    assert b"WARC-Truncated: disconnect\r\n" in plain
    read = read_response(exchange_records(exchange(response=page(b"hello")[:-2], truncated="disconnect"))[0], 1 << 20)
    assert isinstance(read, HttpResponse)
    assert read.flaw


def test_the_digest_is_that_of_the_payload() -> None:
    plain = gzip.decompress(exchange_records(exchange(response=page(b"hello")))[0])
    assert f"WARC-Payload-Digest: sha256:{hashlib.sha256(b'hello').hexdigest()}\r\n".encode() in plain

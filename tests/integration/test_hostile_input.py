"""Whole commands on input that wants to break them: each damaged file is named, each link has its ending, and why.

What an extractor does that hangs or dies is tested with tasks made for it, in tests/pipeline/sandbox and in
tests/pipeline/extract/test_stage.py; here pages bring it about, and signals from outside.
"""

import bz2
import dataclasses
import functools
import gzip
import json
import lzma
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import zstandard

from tests.integration.conftest import Webtext, begun
from tests.integration.rows import Row, id_of, rows_by_id
from tests.integration.shards import shards
from tests.pipeline.fetch.archive_bytes import http, members, warc

MEGABYTE = 1 << 20


def url(name: str) -> str:
    return f"http://{name.replace(' ', '-')}.example.org/page"


def post(name: str, **changes: Any) -> bytes:
    """A line of a dump: a post that links to the page of that name."""
    fields = {"id": name.replace(" ", "_"), "url": url(name), "score": 10, "created_utc": 1_400_000_000}
    return json.dumps(fields | {"subreddit": "pics", "title": name, "is_self": False} | changes).encode()


# Dumps

LINES: list[tuple[bytes, str]] = [
    (b'{"id": "a1", "url": "http://half.example.org/", "sc', "bad_json"),
    (b"\x00" * 1000, "bad_json"),
    (b"\xff\xfe\x00\x01", "bad_json"),
    (b"[" * 100_000, "bad_json"),
    (post("not a number").replace(b"10", b"NaN"), "bad_json"),
    (b"null", "not_a_submission"),
    (b'"a word"', "not_a_submission"),
    (b"[]", "not_a_submission"),
    (b"{}", "not_a_submission"),
    (post("null id", id=None), "not_a_submission"),
    (post("null url", url=None), "no_url"),
    (post("empty url", url=""), "no_url"),
    (post("null score", score=None), "no_score"),
    (post("huge score", score=10**30), "no_score"),
    (post("null date", created_utc=None), "no_date"),
    (post("date far away", created_utc=1e300), "no_date"),
    (post("url is a list", url=["http://example.org/"]), "bad_url"),
    (post("half a megabyte", url="http://example.org/" + "a" * 500_000), "bad_url"),
    (post("half a megabyte of dots", url="http://" + "a." * 250_000 + "org/"), "bad_url"),
    *[
        (post(f"parser {number}", url=address), "bad_url")
        for number, address in enumerate(
            (
                "http://",
                "http://[::1",
                "http://]/",
                "http://[v1.x]/",
                "http://a b.example.org/",
                "http://%00/",
                "http://%zz.example.org/",
                "http://a<b>.example.org/",
                "http://example.org:99999/",
                "http://example.org:port/",
                "http://1.2.3.4.5/",
                "http://256.256.256.256/",
                "http://\ud800.org/",
                "http://user@/",
                "//example.org/page",
                "javascript:alert(1)",
                "data:text/html,hello",
                "file:///etc/passwd",
                "a word",
                "\x00",
            )
        )
    ],
]
"""Lines that become no link, and why."""

ODD_LINKS = [
    "http://[::1]:8080/page",
    "http://0x7f.1/page",
    "http://example.org/%00%ff/../%2e%2e/%zz",
    "HTTP://EXAMPLE.ORG:80/a b?c d#e",
    "http://b\u00fccher.example/\u00fc?\u00fc",
    "http://example.org/" + "a" * 8000,
    "http://user:secret@example.org/secret",
    "http://example.org/\ud83d",
    "http:\\\\example.org\\backslashes",
]
"""Addresses that browsers open: links, though no archive has their pages."""

PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "zst": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "bz2": lambda content: bz2.compress(content, 1),
    "gz": lambda content: gzip.compress(content, mtime=0),
}


def write_dumps(folder: Path) -> None:
    noise = random.Random(20171231).randbytes
    lines = [line for line, _ in LINES] + [post(f"odd {place}", url=odd) for place, odd in enumerate(ODD_LINKS)]
    lines += [post(name) for name in EXPECTED] + [b"", b"  "]
    (folder / "RS_lines.ndjson").write_bytes(b"\r\n".join(lines))
    for kind, pack in PACKERS.items():
        filler = [post("filler", score=0, title=noise(400).hex()) for _ in range(400)]
        packed = pack(b"\n".join([post(f"before the end of {kind}"), *filler, post(f"behind the end of {kind}")]))
        (folder / f"RS_clipped.{kind}").write_bytes(packed[: len(packed) * 2 // 3])
        (folder / f"RS_noise.{kind}").write_bytes(pack(b"")[:6] + noise(10_000))
    (folder / "RS_garbage.zst").write_bytes(b"\n".join(noise(2_000).split(b"\n")))
    (folder / "RS_empty.xz").write_bytes(b"")
    (folder / "RS_bomb.zst").write_bytes(PACKERS["zst"](b"x" * 300 * MEGABYTE + b"\n" + post("behind the bomb")))


# Archives


def html(words: str, head: str = "") -> str:
    paragraphs = "".join(f"<p>{line}</p>\n" for line in words.split("\n") if line.strip())
    return f"<!DOCTYPE html><html><head><title>A page</title>{head}</head><body><article>{paragraphs}</article></body>"


def answer(name: str, body: bytes, *headers: str, length: int | str | None = None) -> bytes:
    return warc(http(body, headers=headers or ("Content-Type: text/html",)), url(name), length=length)


Build = Callable[[str, str], bytes]
"""From a page's name and the words on it to its record."""


def nested(name: str, words: str) -> bytes:
    return answer(name, b"<div>" * 100_000 + html(words).encode())


def entity_bomb(name: str, words: str) -> bytes:
    entities = "".join(f'<!ENTITY {chr(98 + level)} "{f"&{chr(97 + level)};" * 10}">' for level in range(9))
    return answer(name, f'<!DOCTYPE l [<!ENTITY a "lol">{entities}]><html><body><p>&j;</p>{html(words)}'.encode())


def gzip_bomb(name: str, words: str) -> bytes:
    return answer(name, gzip.compress(bytes(100 * MEGABYTE)), "Content-Type: text/html", "Content-Encoding: gzip")


def clipped_gzip(name: str, words: str) -> bytes:
    packed = gzip.compress(html(words).encode())
    return answer(name, packed[: len(packed) * 9 // 10], "Content-Type: text/html", "Content-Encoding: gzip")


def encoded(encoding: str, header: str, head: str = "") -> Build:
    return lambda name, words: answer(
        name, html(words, head).encode(encoding, "replace"), f"Content-Type: text/html{header}"
    )


def sent_as(*headers: str) -> Build:
    return lambda name, words: answer(name, html(words).encode(), "Content-Type: text/html", *headers)


def with_body(body: bytes) -> Build:
    return lambda name, words: answer(name, body)


def of_length(length: int | str) -> Build:
    return lambda name, words: answer(name, html(words).encode(), length=length)


PAGES: dict[str, tuple[Build, set[str]]] = {
    "gzip bomb": (gzip_bomb, {"too_large"}),
    "record bomb": (with_body(b"<p>" + b" word" * (20 * MEGABYTE)), {"too_large"}),
    "nested": (nested, {"kept", "no_text", "too_short"}),
    "entity bomb": (entity_bomb, {"kept", "no_text", "too_short"}),
    "empty": (with_body(b""), {"no_text"}),
    "blank": (with_body(b" \r\n\t" * 1000), {"no_text"}),
    "picture": (with_body(b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(20_000)), {"not_html"}),
    "noise": (with_body(random.Random(2).randbytes(20_000)), {"not_html", "no_text"}),
    "zeros": (with_body(bytes(20_000)), {"not_html", "no_text"}),
    "one tag": (with_body(b"<" * MEGABYTE), {"not_html", "no_text"}),
    "no http": (lambda name, words: warc(html(words).encode(), url(name)), {"broken_record"}),
    "http alone": (lambda name, words: warc(b"HTTP/1.1 200", url(name)), {"no_text", "broken_record"}),
    "many headers": (sent_as(*(f"X-{number}: {'y' * 100}" for number in range(10_000))), {"broken_record", "no_text"}),
    "clipped gzip": (clipped_gzip, {"kept"}),
    "says gzip": (sent_as("Content-Encoding: gzip"), {"kept"}),
    "says zstd and br": (sent_as("Content-Encoding: zstd, br"), {"kept"}),
    "says chunked": (sent_as("Transfer-Encoding: chunked"), {"kept"}),
    "says short": (sent_as("Content-Length: 7"), {"kept"}),
    "says long": (sent_as("Content-Length: 99999999999999999999"), {"kept"}),
    "length none": (of_length("many"), {"kept"}),
    "length below zero": (of_length("-1"), {"kept"}),
    "length too short": (of_length(300), {"kept"}),
    "length too long": (of_length(10**6), {"kept"}),
    "length beyond all": (of_length(10**30), {"kept"}),
    "latin called utf-8": (encoded("cp1252", "; charset=utf-8"), {"kept"}),
    "utf-8 called latin": (encoded("utf-8", "; charset=iso-8859-1"), {"kept"}),
    "utf-8 called klingon": (encoded("utf-8", "; charset=x-klingon", '<meta charset="">'), {"kept"}),
    "utf-16 called nothing": (encoded("utf-16-le", ""), {"kept"}),
    "utf-16 called utf-8": (encoded("utf-16", "; charset=utf-8"), {"kept"}),
    "rot13": (encoded("utf-8", "; charset=rot13"), {"kept"}),
}
"""Pages in an archive that is whole, and the reasons for which their links may end."""

LYING = {
    "plain too short": (of_length(300), {"kept"}),
    "plain too long": (of_length(700), {"kept"}),
    "plain none": (of_length("?"), {"kept"}),
    "plain beyond the end": (of_length(10**9), {"too_large"}),
}
"""Pages in an archive without compression, in which a length that lies hides the next record."""

DAMAGED = {
    "before the noise": {"kept"},
    "behind the noise": {"kept"},
    "before the cut": {"kept"},
    "in the cut": {"kept", "too_short", "broken_record"},
    "behind the cut": {"not_in_archive"},
    "in zstd": {"not_in_archive"},
}
"""Pages in archives that are damaged."""


def write_archives(folder: Path, texts: Sequence[str]) -> None:
    def record(name: str, build: Build = lambda name, words: answer(name, html(words).encode())) -> bytes:
        return build(name, words_of(name, texts))

    noise = random.Random(3).randbytes
    (folder / "pages.warc.gz").write_bytes(members(*(record(name, build) for name, (build, _) in PAGES.items())))
    (folder / "lying.warc").write_bytes(b"".join(record(name, build) for name, (build, _) in LYING.items()))
    middle = [members(record("before the noise")), noise(50_000), members(record("behind the noise"))]
    (folder / "noise_inside.warc.gz").write_bytes(b"".join(middle))
    whole, cut = members(record("before the cut")), members(record("in the cut"))
    (folder / "clipped.warc.gz").write_bytes(whole + cut[: len(cut) * 3 // 4])
    (folder / "packed.warc.zst").write_bytes(PACKERS["zst"](record("in zstd")))
    (folder / "noise.warc.gz").write_bytes(b"\x1f\x8b\x08\x00" + noise(20_000))
    (folder / "noise.warc").write_bytes(noise(20_000))
    (folder / "empty.warc.gz").write_bytes(b"")


def words_of(name: str, texts: Sequence[str]) -> str:
    """A text of its own for every page, with signs that need their charset."""
    place = [*PAGES, *LYING, *DAMAGED].index(name)
    return f"{texts[place]}\nThe café called “{name}” is where this page ends, and all of its words are here."


EXPECTED = {name: reasons for name, (_, reasons) in (PAGES | LYING).items()} | DAMAGED


@dataclasses.dataclass(frozen=True)
class Attack:
    """What became of a run on all of these."""

    run: Path
    said: str
    endings: dict[str, Row]


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory, webtext: Webtext, sample_run: Path) -> Attack:
    folder = tmp_path_factory.mktemp("hostile")
    documents = rows_by_id(sample_run / "corpus/data").values()
    texts = [row["text"] for row in documents if row["word_count"] > 200]
    for name, write in (("dumps", write_dumps), ("archives", functools.partial(write_archives, texts=texts))):
        (folder / name).mkdir()
        write(folder / name)
    done = webtext(
        *("corpus", "--set", f"output={folder}/run", "--set", f'harvest.dumps=["{folder}/dumps/*"]'),
        *("--set", f'fetch.archives=["{folder}/archives/*"]'),
    )
    assert done.returncode == 0, done.stderr
    return Attack(folder / "run", done.stderr, rows_by_id(folder / "run/corpus/ledger"))


def test_every_page_ends_for_a_reason_that_fits(attack: Attack) -> None:
    found = {name: attack.endings[id_of(url(name))]["reason"] for name in EXPECTED}
    assert {name: reason for name, reason in found.items() if reason not in EXPECTED[name]} == {}


def test_what_can_be_had_is_had_whole(attack: Attack) -> None:
    """Wrong charsets, codings and lengths cost no sign of the text, and no page gets another one's."""
    kept = rows_by_id(attack.run / "corpus/data")
    for name, reasons in EXPECTED.items():
        if reasons == {"kept"} and name != "clipped gzip":
            assert f"The café called “{name}” is where this page ends" in kept[id_of(url(name))]["text"], name


def test_bad_lines_are_counted_by_reason(attack: Attack) -> None:
    sources = counters(attack.run, "links")["sources"]
    expected = Counter(reason for _, reason in LINES) + Counter(linked=len(ODD_LINKS) + len(EXPECTED))
    assert sources["RS_lines.ndjson"]["reasons"] == dict(expected)
    for kind in PACKERS:
        assert sources[f"RS_noise.{kind}"]["reasons"] == {"truncated": 1}
        clipped = sources[f"RS_clipped.{kind}"]["reasons"]
        assert clipped.keys() == {"linked", "low_karma", "truncated"}
        assert (clipped["linked"], clipped["truncated"]) == (1, 1)
        assert id_of(url(f"before the end of {kind}")) in attack.endings
        assert id_of(url(f"behind the end of {kind}")) not in attack.endings
    assert sources["RS_garbage.zst"]["reasons"].keys() == {"bad_json"}
    assert sources["RS_empty.xz"]["reasons"] == {}
    assert sources["RS_bomb.zst"]["reasons"] == {"line_too_long": 1, "linked": 1}


def test_odd_addresses_are_links_like_others(attack: Attack) -> None:
    for odd in ODD_LINKS:
        assert attack.endings[id_of(odd)]["reason"] == "not_in_archive"
    assert not [row["url"] for row in attack.endings.values() if "secret@" in row["url"]]


@pytest.mark.parametrize(
    "file",
    [
        *(f"RS_{damage}.{kind}" for damage in ("clipped", "noise") for kind in PACKERS),
        *("RS_garbage.zst", "RS_empty.xz"),
        *("clipped.warc.gz", "noise_inside.warc.gz", "noise.warc.gz", "noise.warc", "packed.warc.zst", "lying.warc"),
    ],
)
def test_a_warning_names_each_damaged_file(attack: Attack, file: str) -> None:
    (line,) = [line for line in attack.said.splitlines() if re.search(rf"\b{re.escape(file)}\b[:,]", line)]
    assert line.startswith("warning: ")


def test_the_user_sees_neither_tracebacks_nor_floods(attack: Attack) -> None:
    assert "Traceback" not in attack.said
    assert max(map(len, attack.said.splitlines())) < 500
    assert not list(attack.run.rglob("_temporary.*"))


def test_the_books_balance(attack: Attack) -> None:
    assert attack.endings.keys() == rows_by_id(attack.run / "links").keys()
    links, pages = counters(attack.run, "links"), counters(attack.run, "pages")
    assert links["submissions"] == sum(links["submissions_by_reason"].values())
    assert links["submissions"] == sum(source["lines"] for source in links["sources"].values())
    assert links["links"] == len(attack.endings)
    ended = Counter(str(row["reason"]) for row in attack.endings.values() if row["stage"] == "pages")
    assert links["links"] - links["refused"] == pages["fetched"] + ended.total()
    assert sum(counters(attack.run, "documents").values()) == pages["fetched"]
    corpus = counters(attack.run, "corpus")
    kept = sum(row["outcome"] == "kept" for row in attack.endings.values())
    assert kept == corpus["kept"] == corpus["train"] + corpus["validation"]


def counters(run: Path, stage: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((run / stage / "manifest.json").read_text())
    return dict(manifest["counters"])


# Pages that hang and crash their child


@pytest.mark.parametrize(
    ("limit", "ending"),
    [
        ("deadline_seconds=1", ("failed", "extraction_timeout", "more than 1 seconds")),
        ("memory_bytes=550_000_000", ("failed", "extraction_crash", "memory limit of 550000000 bytes")),
    ],
    ids=["slow", "large"],
)
def test_a_page_that_takes_too_much_ends_and_its_neighbours_do_not(
    tmp_path: Path, webtext: Webtext, sample_run: Path, limit: str, ending: tuple[str, str, str]
) -> None:
    """A text of more than a million words, and a tree that memory does not hold."""
    texts = [row["text"] for row in rows_by_id(sample_run / "corpus/data").values()]
    if "seconds" in limit:
        bad = f"<html><body><p>{' '.join(random.Random(4).choices(' '.join(texts).split(), k=1_200_000))}".encode()
    else:
        bad = b"<p>a" * 2_600_000
    pages = {"bad": ending} | {f"other {number}": ("kept", "kept", "train") for number in range(20)}
    builds = [with_body(bad)] + [of_length(10**6)] * 20
    records = [build(name, text) for name, build, text in zip(pages, builds, texts[: len(pages)], strict=True)]
    (tmp_path / "pages.warc.gz").write_bytes(members(*records))
    (tmp_path / "urls.txt").write_text("".join(f"{url(name)}\n" for name in pages))
    done = webtext(
        *("corpus", "--set", f"output={tmp_path}/run", "--set", f"harvest.urls=[{tmp_path}/urls.txt]"),
        *("--set", f"fetch.archives=[{tmp_path}/pages.warc.gz]", "--set", "publish.validation_fraction=0"),
        *("--set", f"extract.{limit}"),
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    endings = rows_by_id(tmp_path / "run/corpus/ledger")
    found = {name: endings[id_of(url(name))] for name in pages}
    assert {name: (row["outcome"], row["reason"], row["detail"]) for name, row in found.items()} == pages


def test_children_that_segfault_change_nothing(tmp_path: Path, sample_run: Path) -> None:
    run = tmp_path / "run"
    with begun(run) as command:
        shot = 0
        while command.poll() is None and not shot:
            time.sleep(0.02)
            if (run / "documents").exists():
                time.sleep(0.3)  # the children are in the middle of their pages
                for child in psutil.Process(command.pid).children():
                    child.send_signal(signal.SIGSEGV)
                    shot += 1
        _, said = command.communicate(timeout=120)
    assert command.returncode == 0, said
    assert "Traceback" not in said
    assert shot, "the command was done before a child could be shot"
    assert shards(run) == shards(sample_run)

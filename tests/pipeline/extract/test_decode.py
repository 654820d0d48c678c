"""Encodings: what is declared, what is not, and declarations that lie."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.extract.decode import clean, decode

RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (RUSSIAN.encode("koi8-r"), "text/html; charset=KOI8-R"),
        (RUSSIAN.encode("utf-8"), "text/html; charset=iso-8859-1"),
        (b"<meta charset=windows-1251>" + RUSSIAN.encode("cp1251"), "text/html"),
        (b"<!-- <meta charset=utf-8> --><meta charset='windows-1251'>" + RUSSIAN.encode("cp1251"), ""),
        (b'<?xml version="1.0" encoding="koi8-r"?>' + RUSSIAN.encode("koi8-r"), ""),
        (b"\xef\xbb\xbf" + RUSSIAN.encode(), "text/html; charset=koi8-r"),
        (b"\xff\xfe" + RUSSIAN.encode("utf-16-le"), "text/html"),
        (("<p>ascii markup and </p>" * 40 + RUSSIAN).encode("utf-16-be"), ""),
        (RUSSIAN.encode("cp1251"), "text/html; charset=no-such-thing"),
        (RUSSIAN.encode("utf-8")[:-1], "text/html; charset=us-ascii"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=utf-16">' + RUSSIAN.encode(), ""),
    ],
)
def test_the_text_is_found(body: bytes, content_type: str) -> None:
    assert RUSSIAN[:-20].strip() in decode(body, content_type)


def test_windows_characters_under_a_latin_1_label() -> None:
    assert decode(b"caf\xe9 \x93quoted\x94 \x80", "text/html; charset=ISO-8859-1") == "café “quoted” €"


@pytest.mark.parametrize("declared", ["text/html; charset=utf-8", "text/html", ""])
def test_few_windows_characters_under_a_utf_8_label(declared: str) -> None:
    words = "An English page has few signs beyond ASCII, and they are in words like these. " * 20
    assert decode(f"{words}The café called “Noon”.".encode("cp1252"), declared).endswith("The café called “Noon”.")


def test_clipped_characters_in_utf_8_do_not_refute_it() -> None:
    body = "A page about naïve cafés. ".encode() * 40 + b"\xe2\x80 and one sign was cut."
    assert decode(body, "text/html; charset=utf-8").count("naïve cafés") == 40


def test_escape_encodings_are_honoured() -> None:
    assert "日本語" in decode("日本語".encode("iso-2022-jp"), "text/html; charset=iso-2022-jp")


@given(st.binary(max_size=2000), st.text(max_size=60))
def test_anything_decodes(body: bytes, content_type: str) -> None:
    clean(decode(body, content_type)).encode("utf-8")


def test_no_control_characters_and_composed() -> None:
    assert clean("e\u0301\x00\x07a\ud800b\n\tc\x85") == "éab\n\tc\x85"


def test_real_files(shared_data: Path) -> None:
    """Without any header, 95 % of real files in 32 encodings read as they should."""
    right = total = 0
    for path in sorted((shared_data / "web" / "charset" / "files").rglob("*")):
        codec = path.parent.name
        if not path.is_file() or codec.lower() == "none" or path.suffix == ".gz":
            continue
        body = path.read_bytes()
        try:
            wanted = body.decode(codec, "replace").lstrip("\ufeff")
        except LookupError:
            continue
        found = decode(body).lstrip("\ufeff")
        total += 1
        wrong = sum(a != b for a, b in zip(wanted, found, strict=False))
        right += abs(len(found) - len(wanted)) < 5 and wrong <= 0.002 * len(wanted)
    assert total > 100
    assert right >= 0.95 * total


def test_compressed_bytes_are_no_trouble() -> None:
    assert isinstance(decode(gzip.compress(b"x" * 1000)), str)

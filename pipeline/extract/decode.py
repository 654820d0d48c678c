"""Bytes to characters: which encoding a page is really in.

The order is the WHATWG's (https://encoding.spec.whatwg.org/,
https://html.spec.whatwg.org/#determining-the-character-encoding): byte order mark, HTTP header, `<meta>`, then a
guess. Two departures, because declarations lie: bytes that are valid UTF-8 and not plain ASCII are UTF-8 whatever a
single-byte label says, and a label under which the bytes do not decode gives way.
"""

import codecs
import re
import unicodedata

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META_WINDOW = 8192
"""Bytes in which a declaration is looked for; the standard asks for the first 1024, real pages put it later."""
_GUESS_WINDOW = 1 << 16
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_:.\-]{2,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.\-]{2,40})""", re.IGNORECASE)
_META = re.compile(rb"<meta\b[^>]{0,1000}>", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "shift-jis": "cp932", "euc-kr": "cp949"}
"""Web pages use the vendors' extensions of these: what Python calls by the narrow name refuses them."""
_TOLERATED = 0.002
"""Share of undecodable characters up to which a declared encoding is still believed: clipped and pasted text is
common."""
_BEYOND_ASCII = re.compile("[^\x00-\x7f\ufffd]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]")


def decode(body: bytes, content_type: str = "") -> str:
    """The page's characters; never raises, what cannot be decoded becomes U+FFFD.

    body: the HTTP body, inflated. content_type: the header as sent, may be empty.
    """
    for mark, codec in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(codec, "replace")
    declared = [label for label in (_from_header(content_type), _from_markup(body)) if label]
    wide = _unmarked_utf16(body)
    if wide:
        return body.decode(wide, "replace")
    if not body.isascii() and _is_utf8(body):
        return body.decode("utf-8", "replace")
    for codec in declared:
        text = _try(body, codec)
        if text is not None:
            return text
    text = _try(body, _guess(body))
    return text if text is not None else body.decode("utf-8", "replace")


def clean(text: str) -> str:
    """NFC, without control characters and lone surrogates; line feeds and tabs stay."""
    return unicodedata.normalize("NFC", _CONTROLS.sub("", text))


def _codec(label: str) -> str | None:
    """Python's name for a WHATWG label, or None where nobody knows it."""
    name = map_encoding_to_html5(label.strip(), fallback_utf8=False)
    if name is None:
        try:
            info = codecs.lookup(label.strip())
        except (LookupError, ValueError):
            return None
        if not info._is_text_encoding:  # "rot13", "hex" and their like
            return None
        name = info.name
    return _SUPERSETS.get(name.lower(), name.lower())


def _from_header(content_type: str) -> str | None:
    found = _CHARSET.search(content_type.encode("latin-1", "ignore"))
    return _codec(found[1].decode("ascii")) if found else None


def _from_markup(body: bytes) -> str | None:
    head = body[:_META_WINDOW]
    found = _XML_ENCODING.search(head)
    if not found:
        for tag in _META.finditer(_COMMENT.sub(b"", head)):
            found = _CHARSET.search(tag[0])
            if found:
                break
    codec = _codec(found[1].decode("ascii")) if found else None
    # a declaration that could be read is not in a two-byte encoding
    return "utf-8" if codec and codec.startswith(("utf-16", "utf-32", "utf_16", "utf_32")) else codec


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        # a body that was cut inside its last character is whole before it
        return error.start >= len(body) - 3 and error.start > 3 and not body[: error.start].isascii()
    # escape sequences of ISO-2022 are ASCII and come here only through `isascii`
    return True


def _unmarked_utf16(body: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark shows as a regular pattern of zero bytes around markup and spaces."""
    sample = body[:4096]
    if sample.count(0) * 5 < len(sample):
        return None
    if (
        len(sample) >= 8
        and sample[0::4].count(0) * 5 > len(sample[0::4]) * 4
        and sample[1::4].count(0) * 5 > len(sample[1::4]) * 4
    ):
        return "utf-32-be"
    if (
        len(sample) >= 8
        and sample[3::4].count(0) * 5 > len(sample[3::4]) * 4
        and sample[2::4].count(0) * 5 > len(sample[2::4]) * 4
    ):
        return "utf-32-le"
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if even > 4 * odd:
        return "utf-16-be"
    if odd > 4 * even:
        return "utf-16-le"
    return None


def _guess(body: bytes) -> str:
    text_bytes = re.sub(rb"<[^>]{0,2000}>", b" ", body[: 4 * _GUESS_WINDOW])  # tags are ASCII and teach nothing
    return _codec(str(detect_encoding(text_bytes, _GUESS_WINDOW))) or "utf-8"


def _try(body: bytes, codec: str) -> str | None:
    """The text, if this encoding explains (nearly) all bytes."""
    try:
        text = body.decode(codec, "replace")
    except (LookupError, UnicodeError):
        return None
    if codec == "utf-8" and "\ufffd" in text and not _BEYOND_ASCII.search(text):
        return None  # not one sign of it is UTF-8: that is another encoding with few signs, not clipped text
    return text if text.count("\ufffd") <= max(2, _TOLERATED * len(text)) else None

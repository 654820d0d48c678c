"""One page: from the bytes of its body to a document, or to the reason why there is none."""

import dataclasses
import unicodedata
from collections.abc import Mapping

import trafilatura
from resiliparse.parse.encoding import bytes_to_str, detect_encoding
from resiliparse.parse.lang import detect_fast

from pipeline.ledger import Ending, Reason, dropped


@dataclasses.dataclass(frozen=True)
class ExtractRules:
    """What a page must be to become a document."""

    languages: tuple[str, ...] = ("en",)
    min_words: int = 100
    honour_opt_out: bool = True


@dataclasses.dataclass(frozen=True)
class Extracted:
    """A page's document."""

    text: str
    title: str
    language: str
    language_score: float


def extract_page(
    body: bytes, content_type: str, headers: Mapping[str, str], url: str, rules: ExtractRules
) -> Extracted | Ending:
    """The document in a page's body, or how the page ended."""
    html = bytes_to_str(body, detect_encoding(body))
    text = unicodedata.normalize("NFC", trafilatura.extract(html, include_comments=False) or "")
    if not text:
        return dropped(Reason.NO_TEXT)
    if len(text.split()) < rules.min_words:
        return dropped(Reason.TOO_SHORT, f"{len(text.split())} words")
    language, _ = detect_fast(text)
    if language not in rules.languages:
        return dropped(Reason.OTHER_LANGUAGE, language)
    return Extracted(text, "", language, 1.0)

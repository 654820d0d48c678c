"""What a child process does with one page. Imports nothing of Beam or Arrow: a child is as small as its parsers.

The parsers are imported where the work is done: a parent knows the task by name and never reads a page.
"""

import dataclasses
import hashlib
from typing import NamedTuple

from pipeline.extract.rules import ExtractRules
from pipeline.ledger import Ending
from pipeline.warc import read_response


class Page(NamedTuple):
    """A page as it lies in its archive."""

    record: bytes
    """One WARC record, compressed as it lies."""
    url: str
    """The address that answered."""


class Text(NamedTuple):
    """What a page became, and what can be counted where it was made."""

    text: str
    title: str
    language: str
    language_score: float
    char_count: int
    word_count: int
    text_sha256: str


@dataclasses.dataclass(frozen=True)
class ReadPage:
    """Page -> its text, or how it ended.

    max_bytes: most bytes of a body, after inflation.
    """

    rules: ExtractRules
    max_bytes: int = 10 * 1024 * 1024

    def __call__(self, page: Page) -> Text | Ending:
        """Unpack the record and extract its page."""
        from pipeline.extract.page import extract_page

        response = read_response(page.record, self.max_bytes)
        if isinstance(response, Ending):
            return response
        found = extract_page(response.body, response.content_type, response.headers, page.url, self.rules)
        if isinstance(found, Ending):
            return found
        return counted(found.text, found.title, found.language, found.language_score)

    def warm_up(self) -> None:
        """Import the parsers, and build what they build on their first page, which is then not that page's time."""
        from pipeline.extract.page import extract_page

        article = b"<p>A sentence of plain words that is long enough to be kept.</p>" * 20
        rules = dataclasses.replace(self.rules, min_words=0)
        extract_page(b"<html><body><article>" + article, "text/html", {}, "http://localhost/", rules)


def counted(text: str, title: str, language: str, language_score: float) -> Text:
    """A text with its counts; code points that UTF-8 cannot hold (lone surrogates) become question marks."""
    content = text.encode(errors="replace")
    text = content.decode()
    return Text(
        text,
        title.encode(errors="replace").decode(),
        language,
        language_score,
        len(text),
        len(text.split()),
        hashlib.sha256(content).hexdigest(),
    )

"""One page: from the bytes of its body to a document, or to the reason why there is none.

The order is that of cost: what the first bytes, the headers and the head say, then a look at the language, then the
main text. The page is parsed once.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from pipeline.extract.blocks import Block, parse, read_blocks
from pipeline.extract.decode import clean, decode
from pipeline.extract.language import Language, akin, identify, same
from pipeline.extract.media import not_html
from pipeline.extract.quality import count_words, low_quality
from pipeline.extract.rules import ExtractRules
from pipeline.extract.text import main_text
from pipeline.extract.wikipedia import wikipedia_sign
from pipeline.ledger import Ending, Reason, dropped
from pipeline.opt_out import opted_out

_LOOK = 20_000
"""Characters of prose in which a first look at the language is taken."""
_LOOK_LEAST = 2_500
"""Less prose than this decides nothing before the main text is known."""
_TELLING = 500
"""Characters of a first choice of text from which its language is that of any better choice."""
_TITLE_MOST = 500


@dataclasses.dataclass(frozen=True)
class Extracted:
    """A page's document. `promise` is the F1 that the choice of its text promises, in [0, 1]; `words` counts as
    `min_words` does."""

    text: str
    title: str
    language: str
    language_score: float
    words: int
    promise: float


def extract_page(
    body: bytes, content_type: str, headers: Mapping[str, str], url: str, rules: ExtractRules
) -> Extracted | Ending:
    """The document in a page's body, or how the page ended.

    body: the HTTP body, inflated. content_type: as sent, may be empty. headers: names in lower case. url: for
    messages only. Deterministic: pages before this one do not matter. Reads at most `blocks.MAX_BLOCKS` blocks of a
    page.
    """
    del url  # what a page is does not depend on where it lies: hosts are refused before it is read
    kind = not_html(body, content_type)
    if kind:
        return dropped(Reason.NOT_HTML, kind)
    html = decode(body, content_type).replace("\0", "")
    tree = parse(html)
    if tree is None:
        return dropped(Reason.NO_TEXT, "no element")
    if rules.honour_opt_out:
        signal = opted_out(headers, _metas(tree), rules.opt_out_agents)
        if signal:
            return dropped(Reason.OPT_OUT, signal)
    page = read_blocks(tree)
    look = _first_look(page.blocks, rules)
    if look:
        return dropped(Reason.OTHER_LANGUAGE, f"{look.code} {look.score:.2f}")
    if rules.refuse_wikipedia:
        sign = wikipedia_sign(html)
        if sign:
            return dropped(Reason.WIKIPEDIA_MIRROR, sign)
    title = _title(tree)
    text, promise = main_text(page, tree, rules.doubt, functools.partial(_in_other_language, rules))
    return _judged(text, title, promise, rules)


def _judged(text: str, title: str, promise: float, rules: ExtractRules) -> Extracted | Ending:
    words = count_words(text)
    if not words:
        return dropped(Reason.NO_TEXT, "no main text")
    if words < rules.min_words:
        return dropped(Reason.TOO_SHORT, f"{words} words")
    language = identify(text, rules.languages)
    if not _wanted(language, rules):
        return dropped(Reason.OTHER_LANGUAGE, f"{language.code} {language.score:.2f}")
    if rules.refuse_low_quality:
        rule = low_quality(text, title, language.code)
        if rule:
            return dropped(Reason.LOW_QUALITY, rule)
    return Extracted(text, title, language.code, round(language.score, 4), words, round(promise, 4))


def _wanted(language: Language, rules: ExtractRules) -> bool:
    if rules.languages and language.code not in {same(code) for code in rules.languages}:
        return False
    return language.score >= rules.min_language_score


def _first_look(blocks: list[Block], rules: ExtractRules) -> Language | None:
    """The page's language where it is plainly none of the wanted, judged by its prose alone."""
    if not rules.languages:
        return None
    prose: list[str] = []
    size = 0
    for block in blocks:
        if block.words >= 8 and block.linked * 3 < block.words and size < _LOOK:
            prose.append(block.text)
            size += len(block.text)
    if size < _LOOK_LEAST:
        return None
    language = identify(" ".join(prose), rules.languages)
    wanted = {same(code) for code in rules.languages}
    return language if language.code not in wanted and language.score >= 0.9 else None


def _in_other_language(rules: ExtractRules, text: str) -> bool:
    """Whether a text that is long enough to tell is in none of the wanted languages, nor in one close to them."""
    if not rules.languages or len(text) < _TELLING:
        return False
    return not akin(identify(text, rules.languages).code, rules.languages)


def _metas(tree: Any) -> list[tuple[str, str]]:
    """(name or http-equiv, content) of every `<meta>`."""
    return [
        (meta.get("name") or meta.get("http-equiv") or meta.get("property") or "", meta.get("content") or "")
        for meta in tree.iter("meta")
    ]


def _title(tree: Any) -> str:
    """`<title>`, or `og:title`, or the first `<h1>`, on one line."""
    head = tree.find("head")
    found = None if head is None else head.find("title")
    candidates = [found.text_content() if found is not None else ""]
    candidates += [content for name, content in _metas(tree) if name.lower() == "og:title"]
    candidates += [h1.text_content() for h1 in tree.iter("h1")][:1]
    titles = (" ".join(clean(candidate).split()) for candidate in candidates)
    return next((title for title in titles if title), "")[:_TITLE_MOST]

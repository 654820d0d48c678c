"""A page as a list of text blocks: what stands together in one paragraph, heading, list item, table cell …, and
where it stands.

One walk over an lxml tree. Every later decision (language, main content, quality) reads blocks and not the tree.
"""

import dataclasses
import enum
import re
from collections.abc import Sequence
from typing import Any

from lxml import etree
from lxml.html import HtmlElement, document_fromstring

MAX_BLOCKS = 20_000
"""Blocks after which a page is not read further: real pages have some 200, the longest some 5,000."""
_MAX_ATTRIBUTE = 400
_SKIPPED = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "iframe",
        "object",
        "embed",
        "head",
        "select",
        "option",
        "datalist",
        "textarea",
        "canvas",
        "audio",
        "video",
        "map",
        "area",
        "input",
        "meta",
        "link",
        "title",
        "param",
        "source",
        "track",
        "progress",
        "meter",
        "dialog",
    ]
)
_INLINE = frozenset(
    [
        "a",
        "span",
        "b",
        "i",
        "em",
        "strong",
        "u",
        "s",
        "small",
        "sub",
        "sup",
        "code",
        "kbd",
        "samp",
        "var",
        "abbr",
        "acronym",
        "cite",
        "q",
        "mark",
        "time",
        "font",
        "big",
        "tt",
        "label",
        "ins",
        "del",
        "bdi",
        "bdo",
        "data",
        "dfn",
        "wbr",
        "img",
        "ruby",
        "rb",
        "rt",
        "rp",
        "strike",
        "nobr",
        "picture",
    ]
)
_LINE_BREAK = "\x01"
"""Stands for `<br>` until white space is collapsed."""
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")


_LONG = 50_000
_LONG_TAG = re.compile(rf"<([A-Za-z][A-Za-z0-9]{{0,30}})[^<>]{{{_LONG},}}")
_MANY_ATTRIBUTES = 1_000
"""Attributes from which a tag is parsed without them: libxml2's time grows with their number squared."""


class Mark(enum.IntFlag):
    """What a block's ancestors say about it: their elements, ARIA roles, and words in their classes and ids."""

    NAV = enum.auto()
    FOOTER = enum.auto()
    HEADER = enum.auto()
    ASIDE = enum.auto()
    FORM = enum.auto()
    MAIN = enum.auto()
    ARTICLE = enum.auto()
    FIGURE = enum.auto()
    FURNITURE = enum.auto()
    COMMENTS = enum.auto()
    THREAD = enum.auto()
    BODY_NAMED = enum.auto()
    HIDDEN = enum.auto()


# plain ints: arithmetic on enum members is twenty times slower
_BY_TAG = {
    "nav": int(Mark.NAV),
    "footer": int(Mark.FOOTER),
    "header": int(Mark.HEADER),
    "aside": int(Mark.ASIDE),
    "form": int(Mark.FORM),
    "main": int(Mark.MAIN),
    "article": int(Mark.ARTICLE),
    "figure": int(Mark.FIGURE),
}
_BY_ROLE = {
    "navigation": int(Mark.NAV),
    "menu": int(Mark.NAV),
    "menubar": int(Mark.NAV),
    "tablist": int(Mark.NAV),
    "contentinfo": int(Mark.FOOTER),
    "banner": int(Mark.HEADER),
    "complementary": int(Mark.ASIDE),
    "search": int(Mark.FORM),
    "main": int(Mark.MAIN),
    "article": int(Mark.ARTICLE),
    "dialog": int(Mark.FURNITURE),
}
# each alternative begins with a letter, and asks behind it what stood before: so `re` need only try where one begins
_BY_NAME = (
    (
        Mark.FURNITURE,
        re.compile(
            r"nav|menu|foot|side-?bar|widget|share|sharing|social|cookie|consent|gdpr|promo|advert|a(?<=\ba)ds?\b|a(?<=\ba)d-|banner|crumb"
            r"|subscri|newsletter|sign-?up|log-?in|popup|modal|overlay|related|recommend|popular|trending|sponsor|toolbar|pagina|pager"
            r"|t(?<=\bt)ags?\b|tag-|copyright|legal|skip|search|masthead|button|btn|cta|outbrain|taboola|dropdown|flyout|drawer|more-|read-?next|upsell"
            r"|carousel"
        ),
    ),
    (Mark.COMMENTS, re.compile(r"comment|disqus|respond")),
    (
        Mark.THREAD,
        re.compile(
            r"m(?<!comm)essage|reply|replies|answer|question|thread|topic|bbp|post-?_?body|post-?_?content|forum"
        ),
    ),
    (Mark.BODY_NAMED, re.compile(r"content|article|entry|story|main|body|text|prose|markdown|description|post")),
)


@dataclasses.dataclass(slots=True)
class Block:
    """One run of text. `words` counts white-space separated words, `linked` those inside `<a>`; `node` indexes
    `Blocks.parents`."""

    text: str
    tag: str
    marks: int
    node: int
    words: int
    linked: int
    preformatted: bool


@dataclasses.dataclass(slots=True)
class Blocks:
    """A page's blocks in document order, and the block-level elements around them: `parents[n]` < n, the root's is
    -1."""

    blocks: list[Block]
    parents: list[int]


def parse(html: str) -> Any:
    """The page's tree, or None where there is no element in it. Nesting beyond 256 levels is not read (libxml2's
    limit).

    Raises MemoryError for a tree that memory does not hold: libxml2 calls that a syntax error.
    """
    if _may_have_long_tag(html):
        html = _LONG_TAG.sub(_bare_tag, html)
    parser = etree.HTMLParser(collect_ids=False, encoding="utf-8", remove_comments=True, remove_pis=True)
    # lxml.html's own parser asks Python for the class of every element; nobody here needs its forms and inputs.
    parser.set_element_class_lookup(etree.ElementDefaultClassLookup(element=HtmlElement))
    try:
        return document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        if getattr(error, "code", None) == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        return None


def _may_have_long_tag(html: str) -> bool:
    """A quick look: a stretch of `_LONG` characters without a bracket holds a whole window of half of them."""
    window = _LONG // 2
    windows = range(0, len(html) - window + 1, window)
    return any(html.find("<", at, at + window) < 0 and html.find(">", at, at + window) < 0 for at in windows)


def _bare_tag(tag: re.Match[str]) -> str:
    return f"<{tag[1]}" if tag[0].count("=") > _MANY_ATTRIBUTES else tag[0]


def read_blocks(tree: Any) -> Blocks:
    """The visible text of a page, block by block; at most `MAX_BLOCKS`."""
    body = tree.find("body")
    walk = _Walk()
    walk.element(tree if body is None else body, 0, linked=False, preformatted=False)
    walk.flush(0, preformatted=False)
    return Blocks(walk.blocks, walk.parents)


class _Walk:
    """The state of one walk: text that has been met and not yet become a block."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.parents = [-1]
        self.marks = [0]
        self.tags = ["body"]
        self.pieces: list[str] = []
        self.linked = 0
        self.names: dict[tuple[str | None, str | None], int] = {}

    def element(self, element: Any, node: int, *, linked: bool, preformatted: bool) -> None:
        text = element.text
        if text:
            self.take(text, linked, preformatted)
        for child in element:
            tag = child.tag
            if tag.__class__ is not str or tag in _SKIPPED or len(self.blocks) >= MAX_BLOCKS:
                pass
            elif tag == "br":
                self.pieces.append("\n" if preformatted else _LINE_BREAK)
                if self.pieces[-2:-1] == [_LINE_BREAK]:
                    self.flush(node, preformatted)
            elif tag in _INLINE:
                style = child.get("style")
                if not (style and _HIDING.search(style[:_MAX_ATTRIBUTE])):
                    self.element(child, node, linked=linked or tag == "a", preformatted=preformatted)
            else:
                if self.pieces:
                    self.flush(node, preformatted)
                inner = len(self.parents)
                self.parents.append(node)
                self.marks.append(self.marks[node] | self.marks_of(tag, child.items()))
                self.tags.append(tag)
                pre = preformatted or tag == "pre"
                self.element(child, inner, linked=linked, preformatted=pre)
                if self.pieces:
                    self.flush(inner, pre)
            text = child.tail
            if text:
                self.take(text, linked, preformatted)

    def take(self, text: str, linked: bool, preformatted: bool) -> None:
        if text.isspace():
            if self.pieces and self.pieces[-1] == _LINE_BREAK:
                return  # so that two breaks meet
            if not self.pieces and not preformatted:
                return  # the white space between two blocks
        self.pieces.append(text)
        if linked:
            self.linked += len(text.split())

    def flush(self, node: int, preformatted: bool) -> None:
        raw, linked = "".join(self.pieces), self.linked
        self.pieces.clear()
        self.linked = 0
        if preformatted:
            text = raw.strip("\n")
            words = len(text.split())
        else:
            lines = [line for part in raw.split(_LINE_BREAK) if (line := part.split())]
            text = "\n".join(map(" ".join, lines))
            words = sum(map(len, lines))
        if words:
            self.blocks.append(
                Block(text, self.tags[node], self.marks[node], node, words, min(linked, words), preformatted)
            )

    def marks_of(self, tag: str, items: Sequence[tuple[str, str]]) -> int:
        marks = _BY_TAG.get(tag, 0)
        if not items:
            return marks
        attributes = dict(items)
        name = (attributes.get("class"), attributes.get("id"))
        if name != (None, None):
            named = self.names.get(name)
            if named is None:
                words = f"{name[0] or ''} {name[1] or ''}"[:_MAX_ATTRIBUTE].lower()
                named = 0
                for mark, pattern in _BY_NAME:
                    if pattern.search(words):
                        named |= int(mark)
                self.names[name] = named
            marks |= named
        role = attributes.get("role")
        if role:
            marks |= _BY_ROLE.get(role, 0)
        style = attributes.get("style")
        if (
            (style and _HIDING.search(style[:_MAX_ATTRIBUTE]))
            or "hidden" in attributes
            or attributes.get("aria-hidden") == "true"
        ):
            marks |= int(Mark.HIDDEN)
        return marks

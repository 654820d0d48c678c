"""The small markup that pages are written in, turned into HTML for the site and into plain text for measuring.

Blocks are parted by an empty line: a paragraph, `## heading`, `- item`, `1. item`, `> quotation`, `| a | b |` rows,
or lines between two lines of three backticks, which may hold empty lines. Inside a block: `*emphasis*`, `**strong**`,
`` `code` `` and `[text](address)`.
"""

import html
import re
from collections.abc import Iterator

FENCE = "```"
_NUMBERED = re.compile(r"\d+\. ")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])")
_CODE = re.compile(r"`([^`]+)`")


def blocks(source: str) -> Iterator[list[str]]:
    """The blocks of a text, each as its lines; a code block keeps its opening fence as the first line."""
    block: list[str] = []
    fenced = False
    for line in source.strip("\n").split("\n"):
        if line.startswith(FENCE):
            if not fenced and block:
                yield block
                block = []
            if fenced:
                yield block
                block = []
            else:
                block = [line]
            fenced = not fenced
        elif line.strip() or fenced:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def to_html(source: str) -> str:
    """The text as HTML, one element a block."""
    return "\n".join(_block_html(block) for block in blocks(source))


def to_text(source: str) -> str:
    """The text as a reader sees it: one line a paragraph, item, row or line of code, no markup."""
    return "\n".join("\n".join(_block_text(block)) for block in blocks(source))


def _block_html(block: list[str]) -> str:
    first = block[0]
    if first.startswith(FENCE):
        return f"<pre><code>{html.escape(chr(10).join(block[1:]), quote=False)}</code></pre>"
    if first.startswith("## "):
        return f"<h2>{_inline_html(first[3:])}</h2>"
    if first.startswith("### "):
        return f"<h3>{_inline_html(first[4:])}</h3>"
    if first.startswith("- "):
        return "<ul>\n" + "\n".join(f"<li>{_inline_html(item)}</li>" for item in _items(block)) + "\n</ul>"
    if _NUMBERED.match(first):
        return "<ol>\n" + "\n".join(f"<li>{_inline_html(item)}</li>" for item in _items(block)) + "\n</ol>"
    if first.startswith("> "):
        return f"<blockquote><p>{_inline_html(' '.join(line.lstrip('> ') for line in block))}</p></blockquote>"
    if first.startswith("| "):
        rows = ("".join(f"<td>{_inline_html(cell)}</td>" for cell in _cells(line)) for line in block)
        return "<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "\n</table>"
    return f"<p>{_inline_html(' '.join(block))}</p>"


def _block_text(block: list[str]) -> list[str]:
    first = block[0]
    if first.startswith(FENCE):
        return block[1:]
    if first.startswith("#"):
        return [_inline_text(first.lstrip("# "))]
    if first.startswith("- ") or _NUMBERED.match(first):
        return [_inline_text(item) for item in _items(block)]
    if first.startswith("> "):
        return [_inline_text(" ".join(line.lstrip("> ") for line in block))]
    if first.startswith("| "):
        return [_inline_text(" ".join(_cells(line))) for line in block]
    return [_inline_text(" ".join(block))]


def _items(block: list[str]) -> list[str]:
    items: list[str] = []
    for line in block:
        if line.startswith("- "):
            items.append(line[2:])
        elif match := _NUMBERED.match(line):
            items.append(line[match.end() :])
        else:
            items[-1] += " " + line.strip()
    return items


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def _inline_html(text: str) -> str:
    text = html.escape(text, quote=False)
    text = _CODE.sub(r"<code>\1</code>", text)
    text = _LINK.sub(r'<a href="\2">\1</a>', text)
    text = _STRONG.sub(r"<strong>\1</strong>", text)
    return _EMPHASIS.sub(r"<em>\1</em>", text)


def _inline_text(text: str) -> str:
    for pattern in (_CODE, _LINK, _STRONG, _EMPHASIS):
        text = pattern.sub(r"\1", text)
    return text

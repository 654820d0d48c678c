"""What a tokenizer is like: how short it makes texts, what it learnt, what it never uses."""

import collections
import dataclasses
import re
from collections.abc import Iterable, Sequence

from model.tokenizer import alphabet
from model.tokenizer.encoding import Tokenizer

LONGEST_SHOWN = 20
UNUSED_SHOWN = 20
TEXT_BYTES = 4_000_000
"""How much text is measured at most."""


@dataclasses.dataclass(frozen=True)
class Measures:
    """A tokenizer over some texts.

    text_bytes: in UTF-8. used: entries that occur in their encoding. words: runs without whitespace; whole_words: those
    that are one token.
    """

    texts: int
    text_bytes: int
    tokens: int
    used: int
    entries: int
    words: int
    whole_words: int
    unused: Sequence[bytes]

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes of text for each token; 0 without any."""
        return self.text_bytes / self.tokens if self.tokens else 0.0


def measure(tokenizer: Tokenizer, texts: Iterable[str]) -> Measures:
    """Encode texts, `TEXT_BYTES` of them at most, and count."""
    uses: collections.Counter[int] = collections.Counter()
    words: collections.Counter[str] = collections.Counter()
    count = size = 0
    for text in texts:
        if size >= TEXT_BYTES:
            break
        count, size = count + 1, size + len(text.encode())
        uses.update(tokenizer.encode(text))
        words.update(re.findall(r"\S+", text))
    entries = tokenizer.contents.entries
    return Measures(
        texts=count,
        text_bytes=size,
        tokens=uses.total(),
        used=len(uses),
        entries=len(entries),
        words=words.total(),
        whole_words=sum(often for word, often in words.items() if alphabet.spelt(f" {word}".encode()) in entries),
        unused=[alphabet.unspelt(token) for token, number in entries.items() if number not in uses],
    )


def longest(tokenizer: Tokenizer) -> list[bytes]:
    """The longest tokens, by bytes; of equal ones those learnt first."""
    entries = sorted(tokenizer.contents.entries.items(), key=lambda entry: (-len(entry[0]), entry[1]))
    return [alphabet.unspelt(token) for token, _ in entries[:LONGEST_SHOWN]]


def sentence(measures: Measures, what: str) -> str:
    """The measures in a line."""
    return (
        f"{measures.bytes_per_token:.2f} bytes a token on {what} ({measures.text_bytes:,} bytes); "
        f"{_share(measures.used, measures.entries)} of the entries occur there, "
        f"{_share(measures.whole_words, measures.words)} of its words are one token"
    )


def page(tokenizer: Tokenizer, learnt_from: str, measures: Measures, what: str) -> str:
    """The report, as Markdown. `what` names the texts that were measured."""
    merges, specials = len(tokenizer.contents.merges), len(tokenizer.contents.specials)
    lines = [
        "# Tokenizer",
        "",
        f"{tokenizer.vocabulary:,} entries: the 256 bytes, {merges:,} merges, {specials:,} special. {learnt_from}",
        "",
        f"Fingerprint: `{tokenizer.fingerprint}`",
        "",
    ]
    if measures.tokens:
        lines += [
            f"## On {what}",
            "",
            "| | |",
            "|---|---:|",
            f"| documents | {measures.texts:,} |",
            f"| bytes (UTF-8) | {measures.text_bytes:,} |",
            f"| tokens | {measures.tokens:,} |",
            f"| bytes a token | {measures.bytes_per_token:.3f} |",
            f"| entries that occur | {measures.used:,} ({_share(measures.used, measures.entries)}) |",
            f"| words that are one token | {_share(measures.whole_words, measures.words)} |",
            "",
            "Entries that do not occur there, the longest first: " + _shown(measures.unused),
            "",
        ]
    lines += ["## The longest tokens", "", *(f"- {_quoted(token)}" for token in longest(tokenizer)), ""]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _shown(tokens: Sequence[bytes]) -> str:
    ranked = sorted(tokens, key=lambda token: (-len(token), token))
    rest = f" and {len(ranked) - UNUSED_SHOWN:,} more" if len(ranked) > UNUSED_SHOWN else ""
    return (", ".join(map(_quoted, ranked[:UNUSED_SHOWN])) or "none") + rest


def _quoted(token: bytes) -> str:
    """A token between backticks, which it may hold itself; bytes that are no UTF-8 as \\xNN."""
    text = repr(token.decode("utf-8", "backslashreplace"))[1:-1]
    return f"`` {text} ``" if "`" in text else f"`{text}`"

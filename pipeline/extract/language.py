"""In which language is a text, and how much of it?

The text is cut into pieces of a few sentences and resiliparse's profiles (30,000 pieces a second) name each one's
language; the text's language is that of most of its characters and the score their share. So a page in two languages
scores low, and a score needs no calibration. Where languages are too close for the profiles, or a short text would
be refused, py3langid is asked; it is loaded only then (half a second).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from resiliparse.parse.lang import detect_fast

UNKNOWN = "und"
"""ISO 639-2's code for "undetermined"."""
_PIECE = 700
"""Characters of a piece; below about 300 the profiles err, at 600 they agree with the truth on 98 to 100 %."""
_MOST = 200_000
"""Characters that are looked at: the rest of a longer text follows suit."""
_CLOSE = (
    frozenset(("hi", "mr", "ne", "sa")),
    frozenset(("no", "da", "sv", "fo", "is")),
    frozenset(("es", "pt", "gl", "ca", "it")),
    frozenset(("id", "jv", "ms")),
    frozenset(("cs", "sk", "sl", "hr", "sr", "bs")),
    frozenset(("ru", "uk", "be", "bg", "mk", "sr")),
    frozenset(("nl", "af", "fy")),
    frozenset(("zh", "ja")),
)
_AGREED = 0.9
_SHORT = 2_500
"""A text shorter than this, or whose pieces agree less, is not refused for its language without a second opinion."""
_CONCEDED = 0.6
"""Score of a language that only the second opinion saw."""
_SAME = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "ji": "yi", "fil": "tl"}


class Language(NamedTuple):
    """An ISO 639-1 code, or `und`, and the share of the text that is in it, in [0, 1]."""

    code: str
    score: float


def identify(text: str, wanted: Iterable[str] = ()) -> Language:
    """The language of a text. `wanted`: codes among which a fine distinction matters; others are told roughly."""
    characters: dict[str, int] = defaultdict(int)
    for piece in _pieces(text[:_MOST]):
        code, _ = detect_fast(piece)
        characters[UNKNOWN if code == "unknown" else code] += len(piece)
    if not characters:
        return Language(UNKNOWN, 0.0)
    code = min(characters, key=lambda c: (-characters[c], c))
    total = sum(characters.values())
    asked = {same(w) for w in wanted}
    family = next((f for f in _CLOSE if code in f and f & asked), None)
    if family:
        code = _second_opinion(text)
        return Language(code, sum(n for c, n in characters.items() if c in family or c == code) / total)
    score = characters[code] / total
    if asked and code not in asked and (score < _AGREED or total < _SHORT):
        second = _second_opinion(text)
        if second in asked:  # names and numbers confuse the profiles, not words
            return Language(second, max(characters[second] / total, _CONCEDED))
    return Language(code, score)


def same(code: str) -> str:
    """The one code under which a language of several codes (nb, nn, no) is known here."""
    code = code.lower().split("-")[0]
    return _SAME.get(code, code)


def akin(code: str, wanted: Iterable[str]) -> bool:
    """Whether a language is one of the wanted, or so close to one that a short text may be taken for it."""
    asked = {same(w) for w in wanted}
    return code in asked or any(code in family and family & asked for family in _CLOSE)


def _pieces(text: str) -> Iterable[str]:
    """Runs of words of about `_PIECE` characters; a short rest joins the last one."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        if len(text) - end < _PIECE // 2:
            end = len(text)
        else:
            space = text.rfind(" ", start + _PIECE // 2, end)
            end = space if space > 0 else end
        piece = text[start:end].strip()
        if piece:
            yield piece
        start = end


def _second_opinion(text: str) -> str:
    import py3langid

    return same(str(py3langid.classify(text[:3000])[0]))

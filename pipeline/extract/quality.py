"""Is the text worth reading? Mild rules that refuse what is no document at all, each under its own name.

In the manner of WebText's successors (OpenWebText: at least 128 tokens; Gopher, Rae et al. 2021, appendix A; C4,
Raffel et al. 2020), with bounds wide enough that forums, listings and documentation pass: karma has already chosen
the pages.
"""

import re
from collections import Counter
from collections.abc import Callable

_ERROR_TITLES = re.compile(
    r"^\W*(?:error\s*)?(?:404|403|410|500|502|503)\b"
    r"|\b(?:page|file|site|content) (?:was |could |can(?:not|'t) )?(?:not|be) (?:be )?found\b"
    r"|^(?:not found|forbidden|access denied|service unavailable|bad gateway"
    r"|attention required|just a moment|are you a robot"
    r"|security check|account suspended|domain (?:for sale|parked)|under construction|index of /)",
    re.IGNORECASE,
)
_ERROR_TEXT = re.compile(
    r"\b(?:page (?:you (?:requested|are looking for|were looking for)|not found)"
    r"|could not be found|no longer (?:exists|available)"
    r"|access denied|permission to access|enable (?:javascript|cookies)|checking your browser"
    r"|verify (?:that )?you are (?:a )?human"
    r"|this account has been suspended|domain (?:name )?is for sale|temporarily unavailable|error 404|404 error)\b",
    re.IGNORECASE,
)
_SCRIPT = re.compile(
    r"(?:javascript|cookies)\s+(?:is|are|must be|to be)?\s*(?:disabled|enabled|required|turned off)|enable javascript",
    re.IGNORECASE,
)
_LOREM = re.compile(r"\blorem ipsum\b", re.IGNORECASE)
_FUNCTION_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
"""Gopher wants two of these in every English text. Here it is their share that counts: box scores and shop windows
have one in 120 to 170 words, lists of keywords fewer."""
_FEWEST_FUNCTION_WORDS = 1 / 250
_PHRASE = 5
_SHORT = 250
"""Words under which a page that speaks of an error is one."""
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile("[\u3040-\u9fff\u0e00-\u0eff]+")


def low_quality(text: str, title: str, language: str) -> str | None:
    """The name of the first rule that refuses the text, or None. `language`: its ISO 639-1 code."""
    words = _WORD.findall(text.casefold())
    if language == "en" and sum(word in _FUNCTION_WORDS for word in words) < _FEWEST_FUNCTION_WORDS * len(words):
        return "few_function_words"
    for name, refuses in _RULES:
        if refuses(text, title, words):
            return name
    return None


def count_words(text: str) -> int:
    r"""Words as `\w+` finds them; a script without spaces counts a word for every two characters (Chinese words
    average 1.5 to 2)."""
    unspaced = 0 if text.isascii() else sum(map(len, _UNSPACED.findall(text)))
    return len(_WORD.findall(text)) + unspaced // 2


def _error_page(text: str, title: str, words: list[str]) -> bool:
    return len(words) < _SHORT and bool(_ERROR_TITLES.search(title.strip()) or _ERROR_TEXT.search(text[:1000]))


def _script_notice(text: str, title: str, words: list[str]) -> bool:  # noqa: ARG001
    return len(words) < _SHORT and bool(_SCRIPT.search(text))


def _lorem_ipsum(text: str, title: str, words: list[str]) -> bool:  # noqa: ARG001
    """A page of filler, not one that mentions it."""
    return len(_LOREM.findall(text)) * 150 >= len(words) > 0 and words.count("dolor") >= 1


def _code_dump(text: str, title: str, words: list[str]) -> bool:  # noqa: ARG001
    """Script or style that leaked into the text: documentation has far fewer braces a word."""
    return text.count("{") + text.count("}") + text.count(";") > 0.5 * len(words)


def _symbols(text: str, title: str, words: list[str]) -> bool:  # noqa: ARG001
    letters = sum(map(str.isalpha, text))
    return letters < 0.5 * (len(text) - sum(map(str.isspace, text)))


def _repeated_lines(text: str, title: str, words: list[str]) -> bool:  # noqa: ARG001
    """Gopher's bound on characters in duplicate lines is .2; templates of real listings reach it, so it is .6 here."""
    lines = Counter(line for line in text.split("\n") if len(line) > 10)
    total = sum(len(line) * n for line, n in lines.items())
    return sum(len(line) * (n - 1) for line, n in lines.items()) > 0.6 * total > 0


def _few_distinct_words(text: str, title: str, words: list[str]) -> bool:  # noqa: ARG001
    first = words[:1000]
    return len(set(first)) < 0.1 * len(first)


def _repeated_phrases(text: str, title: str, words: list[str]) -> bool:  # noqa: ARG001
    """The same sentence over and over: of real pages that people had marked the text of, the lowest share is .47."""
    phrases = list(zip(*(words[start:] for start in range(_PHRASE)), strict=False))
    return len(set(phrases)) < 0.4 * len(phrases)


_RULES: tuple[tuple[str, Callable[[str, str, list[str]], bool]], ...] = (
    ("error_page", _error_page),
    ("script_notice", _script_notice),
    ("lorem_ipsum", _lorem_ipsum),
    ("code_dump", _code_dump),
    ("symbols", _symbols),
    ("repeated_lines", _repeated_lines),
    ("few_distinct_words", _few_distinct_words),
    ("repeated_phrases", _repeated_phrases),
)

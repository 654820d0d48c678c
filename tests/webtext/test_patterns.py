"""Regular expressions mean the same to every Python that may run us."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import model
import pipeline
import webtext

SOURCES = [path for package in (pipeline, webtext, model) for path in Path(package.__path__[0]).rglob("*.py")]
SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\+")


def repeats_a_group_possessively(pattern: str) -> bool:
    return POSSESSIVE_GROUP.search(SET.sub("x", pattern)) is not None


def texts(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("pattern", [r"(?:(?![xy]).)++", r"(ab?c)*+", r"(a|b)?+", r"(ab){2,}+"])
def test_a_possessive_group_is_seen(pattern: str) -> None:
    assert repeats_a_group_possessively(pattern)


@pytest.mark.parametrize("pattern", [r"[a-z]++", r"(a[b]*+)+", r"(a)+\+", r"\)++", r"[()*+]*+"])
def test_nothing_else_is(pattern: str) -> None:
    assert not repeats_a_group_possessively(pattern)


def test_no_group_is_repeated_possessively() -> None:
    """Python 3.11.0 to 3.11.4 let such a repetition match more than it may (cpython gh-100061 and gh-106052).

    Debian 12 has 3.11.2. One character or set repeated possessively is matched rightly by all.
    """
    found = {path: [text for text in texts(path.read_text()) if repeats_a_group_possessively(text)] for path in SOURCES}
    assert len(found) > 100
    assert {str(path): patterns for path, patterns in found.items() if patterns} == {}

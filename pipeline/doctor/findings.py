"""What the doctor says of one thing: whether it will do, and what to do about it where it will not."""

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple


class State(enum.StrEnum):
    """How it stands with something."""

    OK = "ok"
    WARNING = "warning"
    """It works, but slower, or worse, or not for long."""
    PROBLEM = "problem"
    """A run would fail, or do harm."""


class Finding(NamedTuple):
    """One sentence about one thing."""

    about: str
    state: State
    sentence: str

    def __str__(self) -> str:
        """A line for a person."""
        return f"{self.state:<9}{self.about:<15} {self.sentence}"


def ok(about: str, sentence: str) -> Finding:
    """Nothing is to be done."""
    return Finding(about, State.OK, sentence)


def warning(about: str, sentence: str) -> Finding:
    """Something should be done; the sentence says what."""
    return Finding(about, State.WARNING, sentence)


def problem(about: str, sentence: str) -> Finding:
    """Something must be done; the sentence says what."""
    return Finding(about, State.PROBLEM, sentence)


def count(findings: Sequence[Finding], state: State) -> int:
    """How many are in a state."""
    return sum(finding.state is state for finding in findings)


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    problems, warnings = count(findings, State.PROBLEM), count(findings, State.WARNING)
    if not problems and not warnings:
        return "nothing is wrong"
    return f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}"


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """For machines: the counts, and every finding with `about`, `state` and `sentence`."""
    return {
        "problems": count(findings, State.PROBLEM),
        "warnings": count(findings, State.WARNING),
        "findings": [finding._asdict() for finding in findings],
    }


def _counted(number: int, name: str) -> str:
    return f"{number or 'no'} {name}{'' if number == 1 else 's'}"

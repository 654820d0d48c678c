"""What was read from each file and what became of it. Tallies are data, not metrics: a repeated bundle counts once."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.harvest.submissions import SubmissionReason

USELESS_AVERAGE = 2.5
"""Below it a month's scores were recorded before votes came in. The lowest average of a good month is 3.81 (2006-09);
those of 2023-08 to 2023-10 are 1.0 and that of 2024-03 is 1.96."""
ENOUGH_SCORES = 1000

_NO_POST = (SubmissionReason.BAD_JSON, SubmissionReason.NOT_A_SUBMISSION, SubmissionReason.LINE_TOO_LONG)


@dataclasses.dataclass(frozen=True)
class Tally:
    """Counts of one source.

    source: the file's name without its folder. lines: lines that were read. reasons: SubmissionReason -> lines.
    scores, score_sum: link posts with a score, and what they have together. troubles: sentences about the file.
    """

    source: str
    lines: int = 0
    reasons: Mapping[str, int] = dataclasses.field(default_factory=dict)
    scores: int = 0
    score_sum: int = 0
    troubles: tuple[str, ...] = ()


def added(tallies: Iterable[Tally]) -> list[Tally]:
    """The tallies of each source put together, sorted by source."""
    by_source: dict[str, Tally] = {}
    for tally in tallies:
        known = by_source.get(tally.source, Tally(tally.source))
        reasons = {
            reason: count
            for reason in sorted({*known.reasons, *tally.reasons})
            if (count := known.reasons.get(reason, 0) + tally.reasons.get(reason, 0))
        }
        by_source[tally.source] = Tally(
            tally.source,
            known.lines + tally.lines,
            reasons,
            known.scores + tally.scores,
            known.score_sum + tally.score_sum,
            tuple(sorted({*known.troubles, *tally.troubles})),
        )
    return [by_source[source] for source in sorted(by_source)]


def warnings(tally: Tally) -> list[str]:
    """What a person should know of a source, a sentence each."""
    found = [*tally.troubles, *_of_another_kind(tally)]
    if tally.scores >= ENOUGH_SCORES and tally.score_sum < USELESS_AVERAGE * tally.scores:
        average = tally.score_sum / tally.scores
        found.append(
            f"{tally.source}: the {tally.scores:,} scores average {average:.2f}: they were recorded before people had "
            "voted, and hardly a post reaches any karma; take this month from another source."
        )
    return found


def _of_another_kind(tally: Tally) -> Iterator[str]:
    """What to say of a file in which nothing is what was expected of it."""
    if not tally.lines:
        yield f"{tally.source}: nothing is in it; get the file anew or leave it out."
    elif tally.lines == sum(tally.reasons.get(reason, 0) for reason in _NO_POST):
        yield f"{tally.source}: not one of its {tally.lines:,} lines is a post; harvest.dumps takes submissions (RS_*)."
    elif tally.lines == tally.reasons.get(SubmissionReason.BAD_URL) and not tally.scores:
        yield f"{tally.source}: not one of its {tally.lines:,} lines is an address; harvest.urls takes one URL a line."


def counters(tallies: Iterable[Tally]) -> dict[str, Any]:
    """The manifest's counters: submissions, submissions_by_reason, sources (the same for each file), warnings.

    Raises AssertionError when the reasons of a source do not sum up to its lines.
    """
    sources = added(tallies)
    for tally in sources:
        total = sum(tally.reasons.values())
        assert total == tally.lines, f"{tally.source}: {tally.lines} lines were read, {total} have a reason"
    reasons = {str(reason): sum(tally.reasons.get(reason, 0) for tally in sources) for reason in SubmissionReason}
    return {
        "submissions": sum(tally.lines for tally in sources),
        "submissions_by_reason": {reason: count for reason, count in reasons.items() if count},
        "sources": {
            tally.source: {
                "lines": tally.lines,
                "reasons": dict(tally.reasons),
                "score_average": round(tally.score_sum / tally.scores, 2) if tally.scores else None,
            }
            for tally in sources
        },
        "warnings": [sentence for tally in sources for sentence in warnings(tally)],
    }

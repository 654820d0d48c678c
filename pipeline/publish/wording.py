"""How the card and the report speak: numbers, shares, rules in words, and the templates' environment."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2

from pipeline.publish.survey import Step

_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
_BIDIRECTIONAL_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")


@dataclasses.dataclass(frozen=True)
class StepShare:
    """A level of the funnel with its share of the level before (None for the first) and of the largest."""

    name: str
    count: int
    share: float | None
    of_largest: float


def environment(*, html: bool) -> jinja2.Environment:
    """Templates of this package. With `html` every value is escaped; without it the text is taken as it is."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.publish", ""),
        autoescape=html,  # noqa: S701 - Markdown is not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=html,
        lstrip_blocks=html,
        keep_trailing_newline=True,
    )
    made.filters.update(count=count, percent=percent, size=size, short=short, clean=clean)
    return made


def clean(text: str) -> str:
    """The text with each character that is none on paper made visible as U+FFFD.

    HTML does not allow control characters, a terminal obeys them, and marks of writing direction turn the words around
    them.
    """
    return _BIDIRECTIONAL_CONTROL.sub("\ufffd", _UNPRINTABLE.sub("\ufffd", text))


def count(number: float) -> str:
    """1,234,567."""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """Three digits for a tight place: 950, 12.3k, 4.56M."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}" if number / limit < 1000 else f"{number / limit:,.0f}{unit}"
    return f"{number:.0f}"


def percent(share: float | None) -> str:
    """12.3 %, with more digits for less; a dash for None."""
    if share is None:
        return "–"
    if share and share < 0.0005:
        return "<0.1 %"
    return f"{share * 100:.1f} %"


def size(amount: float) -> str:
    """Bytes in decimal units: 1.2 MB."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if amount >= limit:
            return f"{amount / limit:.1f} {unit}"
    return f"{amount:.0f} B"


def funnel_shares(steps: Sequence[Step]) -> list[StepShare]:
    """The funnel's steps with their shares."""
    largest = max((step.count for step in steps), default=0)
    before: int | None = None
    shares = []
    for step in steps:
        share = None if before is None else step.count / before if before else 0.0
        shares.append(StepShare(step.name, step.count, share, step.count / largest if largest else 0.0))
        before = step.count
    return shares


def find(settings: Mapping[str, Any], key: str) -> Any:
    """The value of a key, wherever in nested settings it stands; None when it is nowhere."""
    if key in settings:
        return settings[key]
    nested = (find(value, key) for value in settings.values() if isinstance(value, Mapping))
    return next((value for value in nested if value is not None), None)


def rules(settings: Mapping[str, Any]) -> list[str]:
    """The settings that shape a corpus, as sentences; settings that are not there are passed over."""
    sentences: list[tuple[str, Callable[[Any], str]]] = [
        ("min_karma", lambda value: f"A link needs a post with at least {value} karma (`min_karma`)."),
        ("karma_rule", _karma_rule),
        ("before", lambda value: f"Posts before {value} count (`before`)."),
        ("languages", lambda value: f"Languages kept: {', '.join(value)} (`languages`)."),
        ("min_words", lambda value: f"Documents shorter than {value} words are refused (`min_words`)."),
        ("max_bytes", lambda value: f"Pages larger than {size(value)} are refused (`max_bytes`)."),
        (
            "threshold",
            lambda value: (
                f"Two documents are near-duplicates from a Jaccard similarity of {value:.2f} of their word 5-grams "
                "(`threshold`), measured on the texts."
            ),
        ),
        ("keep", lambda value: f"Of near-duplicates stays: {str(value).replace('_', ' ')} (`keep`)."),
        ("against", lambda value: f"Earlier releases whose documents are not repeated: {len(value)} (`against`)."),
        ("validation_fraction", lambda value: f"Held out: {percent(value)} of the documents (`validation_fraction`)."),
    ]
    found = ((find(settings, key), say) for key, say in sentences)
    return [say(value) for value, say in found if value not in (None, [], ())]


def _karma_rule(value: str) -> str:
    if value == "sum":
        return "The karma of all posts of a link is added up (`karma_rule: sum`, as in OpenWebText2)."
    return "One post of a link must reach that karma alone (`karma_rule: max`)."

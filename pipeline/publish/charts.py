"""Charts as inline SVG. Their words stand beside them in HTML, so that they stay readable at any width and aloud.

An SVG here is 100 units wide and is stretched to its place; what it shows is also told by the table or list around it.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH = 100
COLUMNS_HEIGHT = 40
GAP = 0.12
MANY_COLUMNS = 60
"""From so many on, columns touch: gaps narrower than a pixel flicker."""
SMALLEST_VISIBLE = 0.6


def bar(share: float, kind: str = "bar") -> Markup:
    """A horizontal bar that fills `share` (0 to 1) of its track; more than nothing is always visible.

    kind: a CSS class, which gives the colour.
    """
    width = max(min(share, 1.0) * WIDTH, SMALLEST_VISIBLE if share > 0 else 0)
    return Markup(
        '<svg class="track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rail" width="100" height="8"/><rect class="{}" width="{}" height="8"/></svg>'
    ).format(kind, _number(width))


def columns(values: Sequence[tuple[str, int]], meaning: str) -> Markup:
    """A histogram: one column a (label, count) in the order given, the highest as high as the picture.

    meaning: what is shown, for those who do not see it; each column tells its label and count when pointed at.
    """
    highest = max((count for _, count in values), default=0) or 1
    step = WIDTH / max(len(values), 1)
    gap = GAP if len(values) < MANY_COLUMNS else 0
    rects = Markup("").join(
        _column(position * step, step, gap, count / highest, f"{label}: {count:,}")
        for position, (label, count) in enumerate(values)
    )
    return Markup(
        '<svg class="columns" viewBox="0 0 100 {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(COLUMNS_HEIGHT, meaning, rects)


def _column(left: float, step: float, gap: float, share: float, words: str) -> Markup:
    height = max(share * COLUMNS_HEIGHT, SMALLEST_VISIBLE if share else 0)
    return Markup('<g><title>{}</title><rect class="hit" x="{}" y="0" width="{}" height="{}"/>{}</g>').format(
        words,
        _number(left),
        _number(step),
        COLUMNS_HEIGHT,
        _rect("bar", left + step * gap / 2, COLUMNS_HEIGHT - height, step * (1 - gap), height),
    )


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    numbers = [_number(value) for value in (x, y, width, height)]
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(escape(kind), *numbers)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")

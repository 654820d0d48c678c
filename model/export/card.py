"""The model card: Hugging Face's front matter and Markdown, from facts alone. What was not measured is not there."""

import math
from pathlib import Path
from typing import Any

import jinja2
import yaml

import webtext
from model.export.facts import Facts

TEMPLATE = "card.md"
TAG = "webtext"
"""Marks a card as one of ours."""


def write_card(facts: Facts) -> str:
    """The text of README.md; equal facts give equal text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("model.export", ""),
        autoescape=False,  # noqa: S701 - Markdown is not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(count=_count, digits=_digits)
    front = yaml.safe_dump(front_matter(facts), sort_keys=False, allow_unicode=True, width=120)
    training = facts.training
    begun = training.config.init_from if training else None
    body = environment.get_template(TEMPLATE).render(
        facts=facts,
        config=facts.config,
        training=training,
        perplexity=_perplexity(facts),
        per_byte=training.validated.get("validation_loss_per_byte") if training and training.validated else None,
        begun_from=Path(begun).name if begun else None,
        version=webtext.__version__,
    )
    return f"---\n{front}---\n\n{body}"


def front_matter(facts: Facts) -> dict[str, Any]:
    """What Hugging Face reads of a card."""
    return {
        "license": facts.license,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": [TAG, "gpt2"],
    }


def is_ours(card: str) -> bool:
    """Whether a README.md was written by `write_card`."""
    parts = card.split("---\n", 2)
    if len(parts) < 3 or parts[0]:
        return False
    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return False
    return isinstance(front, dict) and TAG in (front.get("tags") or ())


def _perplexity(facts: Facts) -> float | None:
    """Of the validation tokens; None where the loss was not measured, or is beyond what a number holds."""
    validated = facts.training.validated if facts.training else None
    loss = validated["validation_loss"] if validated else None
    return math.exp(loss) if loss is not None and loss < 100 else None


def _count(number: int) -> str:
    return f"{number:,}"


def _digits(number: float) -> str:
    return f"{number:.4g}" if number >= 1000 or number < 0.001 else f"{number:.4f}".rstrip("0").rstrip(".")

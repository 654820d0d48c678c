"""The dataset card: what a stranger must know of a release, written from the run's own numbers and rules."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import yaml

from pipeline import schemas
from pipeline.publish import placement, wording
from pipeline.publish.survey import Survey

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
LARGEST_SIZE = "1B<n<10B"
TEMPLATE = "card.md"


@dataclasses.dataclass(frozen=True)
class SplitFacts:
    """A split of the release."""

    name: str
    rows: int
    text_bytes: int
    files: int
    file_bytes: int


@dataclasses.dataclass(frozen=True)
class CardFacts:
    """What the card tells beside the survey.

    settings: the stages' configs, as `run_view.settings` gives them.
    contact: whom to ask for removal; empty when nobody said.
    """

    name: str
    version: str
    permutations: int
    validation_fraction: float
    splits: Sequence[SplitFacts]
    settings: Mapping[str, Any]
    contact: str = ""


def split_facts(outputs: Iterable[Mapping[str, Any]], counters: Mapping[str, int]) -> list[SplitFacts]:
    """Both splits, from a manifest's outputs and counters."""
    outputs = list(outputs)
    facts = []
    for split in placement.SPLITS:
        own = [entry for entry in outputs if entry["path"].startswith(f"data/{split}-")]
        rows, file_bytes = sum(entry["rows"] for entry in own), sum(entry["bytes"] for entry in own)
        facts.append(SplitFacts(split, rows, counters.get(f"{split}_text_bytes", 0), len(own), file_bytes))
    return facts


def write_card(facts: CardFacts, survey: Survey) -> str:
    """The text of README.md: Hugging Face's front matter in YAML, then Markdown."""
    body = wording.environment(html=False).get_template(TEMPLATE)
    front = yaml.safe_dump(front_matter(facts, survey), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{front}---\n\n" + body.render(
        name=facts.name,
        version=facts.version,
        permutations=facts.permutations,
        validation_fraction=facts.validation_fraction,
        splits=facts.splits,
        survey=survey,
        funnel=wording.funnel_shares(survey.funnel),
        rules=wording.rules(facts.settings),
        filled=_filled(facts),
        columns=[
            {"name": field.name, "type": _type(field.type), "meaning": field.metadata[b"comment"].decode()}
            for field in schemas.DOCUMENTS
        ],
        removal=_removal(facts.contact),
        opt_out=_opt_out(facts.settings),
    )


def _filled(facts: CardFacts) -> list[str]:
    """The splits that have documents: datasets can load no other one, except by streaming."""
    return [split.name for split in facts.splits if split.rows]


def front_matter(facts: CardFacts, survey: Survey) -> dict[str, Any]:
    """What Hugging Face reads of a card: how to load it, how large it is, what it is for."""
    size = next((name for limit, name in SIZES if survey.kept < limit), LARGEST_SIZE)
    splits = _filled(facts) or list(placement.SPLITS)
    files = [{"split": split, "path": f"data/{split}-*"} for split in splits]
    return {
        "pretty_name": facts.name,
        "language": sorted(code for code in survey.languages if code),
        "license": "other",
        "task_categories": ["text-generation"],
        "size_categories": [size],
        "tags": ["webtext", "gpt-2", "reddit"],
        "configs": [
            {"config_name": "default", "default": True, "data_files": files},
            {"config_name": "ledger", "data_files": [{"split": "links", "path": "ledger/*"}]},
        ],
        "dataset_info": {
            "config_name": "default",
            "features": [_feature(field) for field in schemas.DOCUMENTS],
            "splits": [
                {"name": split.name, "num_bytes": split.text_bytes, "num_examples": split.rows}
                for split in facts.splits
                if split.name in splits
            ],
            "download_size": sum(split.file_bytes for split in facts.splits),
            "dataset_size": sum(split.text_bytes for split in facts.splits),
        },
    }


def _feature(field: pa.Field) -> dict[str, str]:
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": _dtype(field.type.value_type)}
    return {"name": field.name, "dtype": _dtype(field.type)}


def _dtype(kind: pa.DataType) -> str:
    return "float32" if pa.types.is_float32(kind) else str(kind)


def _type(kind: pa.DataType) -> str:
    return f"list of {kind.value_type}" if pa.types.is_list(kind) else str(kind)


def _removal(contact: str) -> str:
    if contact:
        return f"Authors and site owners who want a page or a domain taken out write to {contact}."
    return (
        "**To be filled in by the publisher**: an address where authors and site owners ask for removal "
        "(`publish.contact`); the addresses, domains or ids go into the file of `publish.takedown`."
    )


def _opt_out(settings: Mapping[str, Any]) -> str:
    honoured = wording.find(settings, "honour_opt_out")
    if honoured is None or honoured:
        return (
            "Pages whose authors say in their headers or markup that they do not want to be used (noai, TDM "
            "reservation, ai-train=no) were left out; the ledger has them as `opt_out`."
        )
    return (
        "Signals in pages (noai, TDM reservation, ai-train=no) were **not** honoured: `extract.honour_opt_out` was off."
    )

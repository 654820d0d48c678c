"""A run in numbers, for its card and its report: counted part by part, so that memory does not grow with the corpus."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schemas
from pipeline.ledger import Outcome, Stage
from pipeline.publish import reading, run_view
from webtext import storage

ISO_MONTH = "%Y-%m"
EDGES = (0, 1, 2, 3, 5, 7, *(round(step * 10**power) for power in range(1, 10) for step in (1, 1.5, 2, 3, 5, 7)))
"""Lower edges of the bins of lengths and of karma: round numbers, about evenly spaced on a logarithmic scale."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One level of the funnel: what it counts and how many got there."""

    name: str
    count: int


@dataclasses.dataclass(frozen=True)
class Ending:
    """How many links ended at a stage with an outcome for a reason."""

    stage: str
    outcome: str
    reason: str
    count: int


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a run holds. Counters map a value to the number of kept documents, those that begin with `link` to links.

    lengths: lower edge of a bin of EDGES, in words, -> documents.
    karma: lower edge of a bin of EDGES -> documents; None for links of URL lists.
    months: YYYY-MM of the earliest post -> documents.
    cluster_sizes: documents in a cluster of duplicates, its keeper included -> clusters of this size.
    """

    submissions: int
    submissions_by_reason: Mapping[str, int]
    links: int
    endings: tuple[Ending, ...]
    splits: Mapping[str, int]
    characters: int
    words: int
    domains: Counter[str]
    link_domains: Counter[str]
    languages: Counter[str]
    lengths: Counter[int]
    karma: Counter[int | None]
    months: Counter[str]
    cluster_sizes: Counter[int]

    @property
    def kept(self) -> int:
        """Documents of the release."""
        return sum(ending.count for ending in self.endings if ending.outcome == Outcome.KEPT)

    @property
    def pending(self) -> int:
        """Links without an ending: none once the run is finished."""
        return self.links - sum(ending.count for ending in self.endings)

    @property
    def funnel(self) -> list[Step]:
        """From what was read to what is kept, one step for each stage that takes links away.

        Before the run is finished it ends with the last stage that has refused a link.
        """
        names = {Stage.LINKS: "links not blocked", Stage.PAGES: "pages had", Stage.DOCUMENTS: "documents"}
        refused = Counter(dict.fromkeys(names, 0))
        for ending in self.endings:
            refused[Stage(ending.stage)] += ending.count
        steps = [Step("submissions", self.submissions)] if self.submissions else []
        remaining = self.links
        steps.append(Step("links", remaining))
        for position, (stage, name) in enumerate(names.items()):
            if self.pending and not any(refused[later] for later in list(names)[position:]):
                return steps
            remaining -= refused[stage]
            steps.append(Step(name, remaining))
        return steps if self.pending else [*steps, Step("kept", self.kept)]


def survey(run: str) -> Survey:
    """Count a run directory, as far as it has come."""
    endings: Counter[tuple[str, str, str]] = Counter()
    link_domains: list[pa.Table] = []
    links = 0
    for partition in range(run_view.partition_count(run)):
        counted = (
            run_view.endings(run, partition).group_by(["stage", "outcome", "reason"]).aggregate([([], "count_all")])
        )
        for row in counted.to_pylist():
            endings[row["stage"], row["outcome"], row["reason"]] += row["count_all"]
        domains = run_view.links(run, partition, ["domain"])
        links += domains.num_rows
        link_domains.append(_counts(domains["domain"]))
    stages = list(Stage)
    ordered = sorted(endings.items(), key=lambda item: (stages.index(Stage(item[0][0])), -item[1], item[0]))
    counters = run_view.manifest(run, Stage.LINKS).get("counters", {})
    return Survey(
        submissions=counters.get("submissions", 0),
        submissions_by_reason=counters.get("submissions_by_reason", {}),
        links=links,
        endings=tuple(Ending(*key, count) for key, count in ordered),
        splits=run_view.split_rows(run),
        link_domains=_merged(link_domains),
        cluster_sizes=_cluster_sizes(run),
        **_document_counts(run),
    )


def _document_counts(run: str) -> dict[str, Any]:
    columns = ["domain", "language", "score", "created_utc", "char_count", "word_count"]
    characters = words = 0
    domains: list[pa.Table] = []
    languages: list[pa.Table] = []
    months: list[pa.Table] = []
    lengths: Counter[int] = Counter()
    karma: Counter[int | None] = Counter()
    for group in run_view.documents(run, columns):
        characters += pc.sum(group["char_count"]).as_py() or 0
        words += pc.sum(group["word_count"]).as_py() or 0
        domains.append(_counts(group["domain"]))
        languages.append(_counts(group["language"]))
        months.append(_counts(pc.strftime(group["created_utc"].drop_null(), format=ISO_MONTH)))
        lengths.update(binned(group["word_count"].to_numpy()))
        scores = group["score"].drop_null()
        karma.update(binned(scores.to_numpy()))
        if group.num_rows > len(scores):
            karma[None] += group.num_rows - len(scores)
    return {
        "characters": characters,
        "words": words,
        "domains": _merged(domains),
        "languages": _merged(languages),
        "months": _merged(months),
        "lengths": lengths,
        "karma": karma,
    }


def binned(values: np.ndarray) -> Counter[int]:
    """Numbers -> lower edge of their bin of EDGES -> how many; the first bin takes what is below it too."""
    places = np.maximum(np.searchsorted(EDGES, values, side="right") - 1, 0)
    found, counts = np.unique(places, return_counts=True)
    return Counter({EDGES[place]: count for place, count in zip(found.tolist(), counts.tolist(), strict=True)})


def _cluster_sizes(run: str) -> Counter[int]:
    folder = storage.join(run, Stage.DUPLICATES)
    parts = range(reading.count_parts(folder))
    keepers = _merged(
        [_counts(reading.read_part(folder, part, schemas.DUPLICATES, ["keeper"])["keeper"]) for part in parts]
    )
    return Counter(fallen + 1 for fallen in keepers.values())


def _counts(values: pa.Array | pa.ChunkedArray) -> pa.Table:
    counted = pc.value_counts(values)
    return pa.table({"value": counted.field("values"), "count": counted.field("counts")})


def _merged(counts: Iterable[pa.Table]) -> Counter[str]:
    pieces = list(counts)
    if not pieces:
        return Counter()
    # Arrow groups on threads, in any order; whoever takes the commonest must not depend on it where two are equal.
    merged = pa.concat_tables(pieces).group_by("value").aggregate([("count", "sum")]).sort_by("value")
    return Counter(dict(zip(merged["value"].to_pylist(), merged["count_sum"].to_pylist(), strict=True)))

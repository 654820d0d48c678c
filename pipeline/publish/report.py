"""The report: one self-contained HTML page that shows a run, finished or not, to whoever has to trust it."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import yaml
from markupsafe import Markup

import webtext
from pipeline.ledger import Outcome, Reason, Stage
from pipeline.publish import charts, differences, fidelity, run_view, samples, survey, wording
from webtext import storage

REPORT = "report.html"
TEMPLATE = REPORT
STYLE = "report.css"
TOP = 20
SAMPLES_KEPT = 6
SAMPLES_REFUSED = 3
PAIRS = {Reason.NEAR_DUPLICATE: 3, Reason.WIKIPEDIA_MIRROR: 1}
"""Examples shown of a reason; exact duplicates show nothing that their name does not say."""
EXCERPT = 600
TICKS = 7
LARGE_SHARE = 0.2
CLUSTER_BINS = ((2, 2), (3, 3), (4, 4), (5, 9), (10, 99), (100, 999), (1000, None))


@dataclasses.dataclass(frozen=True)
class Bar:
    """A line of a bar chart: its label, its count, the length of its bar and its share of the whole, both 0 to 1."""

    label: str
    count: int
    length: float
    share: float


@dataclasses.dataclass(frozen=True)
class Histogram:
    """Columns with the labels below them: ticks are (position in percent, label)."""

    chart: Markup
    ticks: Sequence[tuple[float, str]]
    values: Sequence[tuple[str, int]]


@dataclasses.dataclass(frozen=True)
class StageEndings:
    """The endings of a stage, with their sum."""

    stage: str
    total: int
    share: float
    rows: Sequence[tuple[survey.Ending, float]]


def build_report(
    run: str,
    manifest: Mapping[str, Any] | None = None,
    reference_domains: str = "",
    found: survey.Survey | None = None,
) -> str:
    """The page, from what a run directory holds; equal runs give equal pages.

    manifest: the release's, or what will be in it; read from the run when it is None.
    found: the run's survey, where it has been made already.
    reference_domains: path of OpenAI's list of WebText's top domains; without it that comparison is left out.
    """
    manifest = run_view.manifest(run, Stage.CORPUS) if manifest is None else manifest
    found = found or survey.survey(run)
    chosen = samples.links_by_reason(run, SAMPLES_KEPT)
    page = wording.environment(html=True)
    style = resources.files(__package__).joinpath(STYLE).read_text("utf-8")
    return page.get_template(
        TEMPLATE
    ).render(
        style=Markup(style),  # noqa: S704 - our own file
        charts=charts,
        version=webtext.__version__,
        survey=found,
        finished=bool(manifest),
        documents=sum(found.languages.values()),
        funnel=wording.funnel_shares(found.funnel),
        submissions=bars(Counter(found.submissions_by_reason)),
        stages=_stages(found),
        domains=bars(found.domains, TOP),
        fidelity=_fidelity(found, reference_domains),
        languages=bars(found.languages, 10),
        lengths=_binned(found.lengths, "Documents by number of words"),
        karma=_binned(
            {edge: count for edge, count in found.karma.items() if edge is not None},
            "Documents by karma of their link",
        ),
        without_karma=found.karma.get(None, 0),
        months=_months(found.months),
        clusters=_clusters(found.cluster_sizes),
        pairs=[
            _pair(pair)
            for reason, count in PAIRS.items()
            for pair in samples.pairs(run, samples.Wish(reason=reason, count=count))
        ],
        kept=[_excerpt(view) for view in chosen.get(Outcome.KEPT, [])],
        refused={
            reason: [_excerpt(view) for view in views[:SAMPLES_REFUSED]]
            for reason, views in chosen.items()
            if reason != Outcome.KEPT
        },
        warnings=_warnings(run, found),
        settings=yaml.safe_dump(
            {**run_view.settings(run), **({Stage.CORPUS.value: manifest["config"]} if manifest else {})},
            sort_keys=True,
            allow_unicode=True,
        ),
        software=manifest.get("software", {}),
        outputs=[entry for entry in manifest.get("outputs", []) if entry["path"] != REPORT],
        sources=run_view.manifest(run, Stage.LINKS).get("counters", {}).get("sources", {}),
    )


def rebuild_report(run: str, reference_domains: str = "") -> str:
    """Write a run's report anew, from what there is of it; returns where it lies.

    In a finished release the manifest's record of the report follows. The list of domains is the one that the release
    was made with, where it still is, unless another is named.
    """
    release = storage.join(run, Stage.CORPUS)
    manifest = run_view.manifest(run, Stage.CORPUS)
    configured = wording.find(manifest.get("config", {}), "reference_domains") or ""
    if not reference_domains and configured and storage.exists(configured):
        reference_domains = configured
    record = storage.write_bytes(release, REPORT, build_report(run, manifest, reference_domains).encode())
    if manifest:
        others = [entry for entry in manifest["outputs"] if entry["path"] != REPORT]
        outputs = sorted([*others, dataclasses.asdict(record)], key=lambda entry: str(entry["path"]))
        storage.write_json(release, storage.MANIFEST, {**manifest, "outputs": outputs})
    return storage.join(release, REPORT)


def bars(counts: Mapping[str, int], most: int | None = None) -> list[Bar]:
    """The largest counts first, ties by label; at most `most` of them."""
    whole = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    largest = ordered[0][1] if ordered else 0
    return [
        Bar(label, count, count / largest if largest else 0, count / whole if whole else 0) for label, count in ordered
    ]


def _stages(found: survey.Survey) -> list[StageEndings]:
    refused = [ending for ending in found.endings if ending.outcome != Outcome.KEPT]
    largest = max((ending.count for ending in refused), default=1)
    made = []
    for stage in Stage:
        own = [ending for ending in refused if ending.stage == stage]
        total = sum(ending.count for ending in own)
        if own:
            rows = [(ending, ending.count / largest) for ending in own]
            made.append(StageEndings(stage.value, total, total / found.links if found.links else 0, rows))
    return made


def _fidelity(found: survey.Survey, path: str) -> fidelity.Fidelity | None:
    if not path:
        return None
    lines = storage.read_bytes(path).decode("utf-8", "replace").splitlines()
    return fidelity.compare(fidelity.parse_reference(lines, path), found.link_domains, found.domains)


def histogram(values: Sequence[tuple[str, int]], meaning: str, marked: Sequence[int] = ()) -> Histogram:
    """Columns and, below them, the labels of about TICKS of them: of `marked` places, where these are given."""
    places = marked or range(len(values))
    shown = places[:: max(1, -(-len(places) // TICKS))]
    ticks = [(round((place + 0.5) * 100 / len(values), 2), values[place][0]) for place in shown]
    return Histogram(charts.columns(values, meaning), ticks, values)


def _binned(counts: Mapping[int, int], meaning: str) -> Histogram | None:
    if not counts:
        return None
    edges = [edge for edge in survey.EDGES if min(counts) <= edge <= max(counts)]
    return histogram([(wording.short(edge), counts.get(edge, 0)) for edge in edges], meaning)


def _months(months: Counter[str]) -> Histogram | None:
    if not months:
        return None
    first, last = (_month_number(month) for month in (min(months), max(months)))
    names = [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(first, last + 1)]
    januaries = [place for place, name in enumerate(names) if name.endswith("-01")]
    return histogram(
        [(name, months[name]) for name in names],
        "Documents by month of the earliest post",
        marked=januaries if len(januaries) > 1 else (),
    )


def _month_number(month: str) -> int:
    year, _, number = month.partition("-")
    return int(year) * 12 + int(number) - 1


def _clusters(sizes: Counter[int]) -> list[Bar]:
    binned: Counter[str] = Counter()
    for low, high in CLUSTER_BINS:
        label = str(low) if low == high else f"{low}–{high}" if high else f"{low:,} and more"
        count = sum(number for size, number in sizes.items() if low <= size and (high is None or size <= high))
        if count:
            binned[label] = count
    largest, whole = max(binned.values(), default=1), binned.total()
    return [Bar(label, count, count / largest, count / whole) for label, count in binned.items()]


def _pair(pair: samples.Pair) -> dict[str, Any]:
    left, right = differences.side_by_side(pair.text or "", pair.keeper_text or "")
    return {"pair": pair, "left": differences.condensed(left), "right": differences.condensed(right)}


def _excerpt(view: samples.LinkView) -> dict[str, Any]:
    text = view.text or ""
    return {
        "view": view,
        "excerpt": text[:EXCERPT].rstrip() + (" …" if len(text) > EXCERPT else ""),
        "words": len(text.split()),
    }


def _warnings(run: str, found: survey.Survey) -> list[str]:
    told: Iterable[str] = (
        str(warning)
        for stage in Stage
        for warning in run_view.manifest(run, stage).get("counters", {}).get("warnings", ())
    )
    return [*told, *own_warnings(found)]


def own_warnings(found: survey.Survey) -> list[str]:
    """What a reader of the numbers should not overlook."""
    warnings = []
    documents = sum(found.languages.values())
    if found.pending:
        warnings.append(f"{found.pending:,} links have no ending yet: the run is not finished.")
    if found.splits.get("train") and not found.splits.get("validation"):
        warnings.append("The validation split is empty: so few documents that chance put all of them into train.")
    for domain, count in found.domains.most_common(1):
        if documents > TOP and count / documents > LARGE_SHARE:
            warnings.append(f"{domain} alone has {count / documents:.0%} of the documents.")
    largest = max(found.cluster_sizes, default=0)
    if documents > TOP and largest / documents > LARGE_SHARE:
        warnings.append(
            f"One cluster of duplicates has {largest:,} documents: a template may have been taken for a text."
        )
    return warnings

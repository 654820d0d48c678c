"""The end of a release: books checked, card and report written."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import webtext
from pipeline.ledger import Stage
from pipeline.publish import card, report, run_view
from pipeline.publish.books import Books, check_books
from pipeline.publish.survey import survey
from webtext import storage
from webtext.stages import Results
from webtext.storage import FileRecord

CARD = "README.md"


def books_of(result: Results, submissions: int, submissions_by_reason: Mapping[str, int]) -> Books:
    """The sums to check, from the results of `PublishRelease` and the counters of the stage links."""
    sums = {name: result.counters.get(name, 0) for name in ("links", "ledger_rows", "kept", "train", "validation")}
    return Books(
        **sums,
        signatures=result.counters.get("signatures", 0),
        submissions=submissions,
        submissions_by_reason=submissions_by_reason,
        faults=result.faults,
    )


@dataclasses.dataclass(frozen=True)
class ReleaseSettings:
    """What the card and the report need of the config.

    config: the publish stage's part, as its manifest will have it. software: versions, likewise.
    reference_domains: path of OpenAI's list of WebText's top domains; empty when the user has none.
    """

    config: Mapping[str, Any]
    software: Mapping[str, str]
    validation_fraction: float = 0.05
    permutations: int = 128
    name: str = "WebText, rebuilt"
    contact: str = ""
    reference_domains: str = ""


def finish_release(run: str, result: Results, settings: ReleaseSettings) -> Results:
    """Check the books, then write card and report; returns all files of the release and its counters, for its manifest.

    result: what `PublishRelease` wrote, counted and found wrong, added up.

    The manifest and the mark of success are the caller's, as for every stage.
    Raises BooksDoNotBalanceError before anything is written that would make the release look whole.
    """
    counted = run_view.manifest(run, Stage.LINKS).get("counters", {})
    check_books(books_of(result, counted.get("submissions", 0), counted.get("submissions_by_reason", {})))
    found = survey(run)
    outputs = [dataclasses.asdict(record) for record in result.files]
    facts = card.CardFacts(
        name=settings.name,
        version=webtext.__version__,
        permutations=settings.permutations,
        validation_fraction=settings.validation_fraction,
        splits=card.split_facts(outputs, result.counters),
        settings={**run_view.settings(run), Stage.CORPUS.value: settings.config},
        contact=settings.contact,
    )
    release = storage.join(run, Stage.CORPUS)
    readme = storage.write_bytes(release, CARD, card.write_card(facts, found).encode())
    draft = manifest_draft([*result.files, readme], result.counters, settings.config, settings.software)
    html = report.build_report(run, draft, settings.reference_domains, found)
    written = storage.write_bytes(release, report.REPORT, html.encode())
    return Results([*result.files, readme, written], result.counters)


def manifest_draft(
    outputs: Sequence[FileRecord],
    counters: Mapping[str, int],
    config: Mapping[str, Any],
    software: Mapping[str, str],
) -> dict[str, Any]:
    """The part of the release's manifest that the report shows, in the order in which the written manifest has it: a
    report that is written anew is the same."""
    return {
        "outputs": [dataclasses.asdict(record) for record in sorted(outputs, key=lambda record: record.path)],
        "counters": dict(sorted(counters.items())),
        "config": dict(sorted(config.items())),
        "software": dict(sorted(software.items())),
    }

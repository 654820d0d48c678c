"""`webtext inspect`: links, documents and duplicate pairs of a run, printed for a person or as lines of JSON."""

import argparse
import dataclasses
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pyarrow.compute as pc
import rich.console
import rich.table
import rich.text

from pipeline import arguments, schemas, tables, urls
from pipeline.ledger import Outcome, Reason, Stage
from pipeline.publish import differences, reading, run_view, samples
from pipeline.publish.samples import LinkView, Pair, Wish
from pipeline.publish.wording import clean
from webtext import storage
from webtext.arguments import refuse
from webtext.errors import UserError

EXCERPT = 700
OUTCOME_STYLES = {Outcome.KEPT: "green", Outcome.DROPPED: "yellow", Outcome.FAILED: "red", Outcome.DEFERRED: "dim"}
DIFFERS_STYLE = "bold reverse"

_ID = re.compile(r"[0-9a-f]{32}")

log = logging.getLogger("webtext")


@dataclasses.dataclass(frozen=True)
class LinkDetail:
    """Everything that a run knows of one link; None and empty where it never came so far.

    link, page: rows of links/ and pages/index. ending: its ledger row. document: its row of documents/, text included.
    fell_to: its row of duplicates/. stands_for: the rows of the documents that fell to it.
    """

    id: str
    link: dict[str, Any] | None
    page: dict[str, Any] | None
    ending: dict[str, Any] | None
    document: dict[str, Any] | None
    fell_to: dict[str, Any] | None
    stands_for: list[dict[str, Any]]


def detail(run: str, id_or_url: str) -> LinkDetail:
    """All of one link, named by its id or by its address in any spelling.

    Raises UserError when the run has no such link.
    """
    address = urls.normalise(id_or_url) if "://" in id_or_url else None
    id = urls.link_id(address) if address else id_or_url.lower()  # noqa: A001 - it is the column's name
    if not _ID.fullmatch(id):
        raise UserError(
            f"--id {id_or_url}: neither an id (32 hex digits) nor an http address; `webtext inspect` shows ids."
        )
    partitions = run_view.partition_count(run)

    def row(folder: str) -> dict[str, Any] | None:
        return run_view.rows_by_id(run, folder, [id], partitions).get(id)

    found = LinkDetail(
        id=id,
        link=row(Stage.LINKS),
        page=row(run_view.PAGE_INDEX),
        ending=_ending(run, id, partitions),
        document=run_view.documents_by_id(run, [id], partitions).get(id),
        fell_to=row(Stage.DUPLICATES),
        stands_for=_fallen_to(run, id),
    )
    if found.link is None and found.ending is None:
        raise UserError(
            f"--id {id_or_url}: this run has no such link; it was below the karma rule or in none of the dumps."
        )
    return found


def _ending(run: str, id: str, partitions: int) -> dict[str, Any] | None:  # noqa: A002 - it is the column's name
    ledger = run_view.endings(run, tables.partition_of(id, partitions))
    rows = ledger.filter(pc.equal(ledger["id"], id)).to_pylist()
    return dict(rows[0]) if rows else None


def _fallen_to(run: str, keeper: str) -> list[dict[str, Any]]:
    folder = storage.join(run, Stage.DUPLICATES)
    parts = range(reading.count_parts(folder))
    tables = (reading.read_part(folder, part, schemas.DUPLICATES) for part in parts)
    return [row for table in tables for row in table.filter(pc.equal(table["keeper"], keeper)).to_pylist()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    arguments.add_run(parser)
    parser.add_argument("--reason", default="", help="only links that ended for this reason (kept, too_short, ...)")
    parser.add_argument("--stage", default="", help="only links that ended in this stage")
    parser.add_argument("--domain", default="", help="only links of this domain, subdomains included")
    parser.add_argument("--count", type=int, default=10, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another number draws other links (%(default)s)")
    parser.add_argument("--id", default="", help="everything about one link: its id or its address")
    parser.add_argument("--duplicates", action="store_true", help="pairs of duplicates, differing words marked")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, texts whole")


def run(given: argparse.Namespace, extra: Sequence[str] = ()) -> int:
    """Print what the arguments ask for to stdout; returns the exit code.

    Raises UserError for a run, reason, stage or id that does not exist.
    """
    refuse("inspect", extra)
    where = run_view.existing(arguments.run_of(given))
    _require("--reason", given.reason, Reason)
    _require("--stage", given.stage, Stage)
    wish = Wish(
        reason=given.reason,
        domain=given.domain.lower(),
        stage=given.stage,
        count=given.count,
        seed=given.seed,
    )
    found: Sequence[LinkView | Pair | LinkDetail]
    if given.id:
        found = [detail(where, given.id)]
    elif given.duplicates:
        found = samples.pairs(where, wish)
    else:
        found = samples.links(where, wish)
    if not found:
        log.warning("nothing in %s fits.", where)
    show(found, as_json=given.json)
    return 0


def _require(option: str, value: str, allowed: type[Reason] | type[Stage]) -> None:
    if value and value not in list(allowed):
        raise UserError(f"{option} {value}: not one of {', '.join(allowed)}.")


def show(found: Iterable[LinkView | Pair | LinkDetail], *, as_json: bool) -> None:
    """Print to stdout: lines of JSON, or words, in colour where stdout is a terminal."""
    if as_json:
        for each in found:
            sys.stdout.write(orjson.dumps(dataclasses.asdict(each)).decode() + "\n")
        return
    console = rich.console.Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for each in found:
        if isinstance(each, LinkView):
            _show_link(console, each)
        elif isinstance(each, Pair):
            _show_pair(console, each)
        else:
            _show_detail(console, each)
        console.print()


def _show_link(console: rich.console.Console, view: LinkView) -> None:
    console.print(clean(view.title) or "(no title)", style="bold")
    console.print(clean(view.url), style="cyan")
    ending = view.outcome if view.outcome == Outcome.KEPT else f"{view.outcome} in {view.stage}: {view.reason}"
    known = [
        ending + (f" ({clean(view.detail)})" if view.detail else ""),
        f"{view.score} karma" if view.score is not None else "",
        f"{view.created_utc:%Y-%m-%d}" if view.created_utc else "",
        " ".join(f"r/{clean(name)}" for name in view.subreddits),
        view.id,
    ]
    console.print("  ".join(filter(None, known)), style=OUTCOME_STYLES[Outcome(view.outcome)])
    if view.text:
        console.print(clean(view.text[:EXCERPT]) + (" …" if len(view.text) > EXCERPT else ""))


def _show_pair(console: rich.console.Console, pair: Pair) -> None:
    release = f" in {clean(pair.keeper_release)}" if pair.keeper_release else ""
    console.print(f"{pair.reason}, similarity {pair.similarity:.2f}", style="bold")
    heads = f"fell   {clean(pair.url)}  {pair.id}", f"stays  {clean(pair.keeper_url)}{release}  {pair.keeper}"
    runs = differences.side_by_side(pair.text or "", pair.keeper_text or "")
    if console.is_terminal:
        table = rich.table.Table(*heads, expand=True, show_lines=False)
        table.columns[0].ratio = table.columns[1].ratio = 1
        table.add_row(*(_coloured(side) for side in runs))
        console.print(table, soft_wrap=False)
        return
    for head, side, marks in zip(heads, runs, (("[-", "-]"), ("{+", "+}")), strict=True):
        console.print(head)
        console.print(_marked(side, *marks) or "(its text is not in this run)")


def _coloured(side: Iterable[differences.Run]) -> rich.text.Text:
    text = rich.text.Text()
    for piece in side:
        text.append(clean(piece.text), style=DIFFERS_STYLE if piece.differs else "")
    return text


def _marked(side: Iterable[differences.Run], before: str, after: str) -> str:
    """Differing words between marks, as wdiff has it; white space at their end stays outside."""
    pieces = []
    for piece in side:
        words = clean(piece.text)
        bare = words.rstrip()
        pieces.append(f"{before}{bare}{after}{words[len(bare) :]}" if piece.differs and bare else words)
    return "".join(pieces)


def _show_detail(console: rich.console.Console, found: LinkDetail) -> None:
    sections: list[tuple[str, dict[str, Any] | None]] = [
        ("link", found.link),
        ("page", found.page),
        ("ending", found.ending),
        ("fell to", found.fell_to),
        ("document", found.document),
    ]
    for name, row in sections:
        if row:
            console.print(name, style="bold")
            for key, value in row.items():
                if key not in ("text", "submissions") and value not in (None, "", []):
                    console.print(f"  {key:16}{clean(str(value))}")
    for post in (found.link or {}).get("submissions", []):
        console.print("post", style="bold")
        for key, value in post.items():
            if value not in (None, ""):
                console.print(f"  {key:16}{clean(str(value))}")
    for row in found.stands_for:
        console.print(f"stands for {row['id']} ({row['reason']}, similarity {row['similarity']:.2f})", style="bold")
    if found.document:
        console.print("text", style="bold")
        console.print(clean(found.document["text"]))

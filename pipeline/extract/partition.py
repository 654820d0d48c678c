"""One partition of the documents stage as plain tables: which pages to read, and what their texts become."""

import builtins
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import minhash, schemas
from pipeline.extract.reading import Whereabouts
from pipeline.extract.task import Text
from pipeline.ledger import FETCHED, Ending, Reason, Stage, failed
from pipeline.sandbox import Crashed, Done, Raised, TimedOut, Verdict
from pipeline.tables import ledger_of, require_schema, sorted_by
from webtext.errors import UserError

_MEMORY_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def fetched(pages: pa.Table) -> pa.Table:
    """The pages that were had."""
    return pages.filter(pc.equal(pages["outcome"], FETCHED))


def whereabouts(pages: pa.Table) -> list[Whereabouts]:
    """Where the pages' records lie, the largest first: what takes long begins early, so that nothing waits for it."""
    columns = [pages[name].to_pylist() for name in ("warc_file", "warc_offset", "warc_length")]
    order = pc.sort_indices(pages, [("warc_length", "descending"), ("id", "ascending")]).to_pylist()
    return [Whereabouts(row, *(column[row] for column in columns)) for row in order]


def addresses_of(pages: pa.Table) -> list[str]:
    """The addresses that answered, as far as that is known."""
    return list(pc.coalesce(pages["final_url"], pages["url"]).to_pylist())


class OpenPartition:
    """A partition whose pages are being read: its number, its fetched pages by id, and the answers that are there."""

    def __init__(self, number: int, index: pa.Table) -> None:
        self.number = number
        self.pages = sorted_by(fetched(index), "id")
        self._answers: dict[int, Text | Ending] = {}

    @property
    def complete(self) -> bool:
        """Whether every page has its answer."""
        return len(self._answers) == len(self.pages)

    def answer(self, row: int, answer: Text | Ending) -> None:
        """Take what a page became."""
        assert row not in self._answers, "a page was answered twice"
        self._answers[row] = answer

    def answers(self) -> list[Text | Ending]:
        """What every page became, in the order of `pages`."""
        return [self._answers[row] for row in range(self.pages.num_rows)]


def ending_of(verdict: Verdict[Text | Ending]) -> Text | Ending:
    """What a sandbox's verdict means for a page. Equal causes give equal words: they go into data.

    Raises UserError for what no page can cause, since children read no files: the machine is ill, not the page.
    """
    match verdict:
        case Done(value):
            return value
        case TimedOut(deadline_seconds):
            return failed(Reason.EXTRACTION_TIMEOUT, f"more than {deadline_seconds:g} seconds")
        case Crashed(detail):
            return failed(Reason.EXTRACTION_CRASH, detail)
        case Raised(kind, message) if issubclass(getattr(builtins, kind, Exception), OSError | ImportError):
            raise UserError(
                f"a child process cannot work ({kind}: {message}); give the machine what it lacks (space in its folder "
                "for temporary files, open files) and run the same command again."
            )
        case Raised(kind, message):
            return failed(Reason.EXTRACTION_CRASH, _MEMORY_ADDRESS.sub("0x...", f"{kind}: {message}"))


def documents_table(pages: pa.Table, links: pa.Table, answers: Sequence[Text | Ending]) -> pa.Table:
    """The documents among `answers`, one for each row of `pages`, with what their links tell. In the order of `pages`.

    links: LINKS rows of all these pages, and any others; sorted or not.
    Returns DOCUMENTS rows.
    """
    kept = [row for row, answer in enumerate(answers) if isinstance(answer, Text)]
    texts = [answer for answer in answers if isinstance(answer, Text)]
    pages = pages.take(pa.array(kept, pa.int64()))
    where = pc.index_in(pages["id"], links["id"])
    assert not where.null_count, "a page without a link"
    links = links.take(where)
    submissions = links["submissions"].to_pylist()
    columns = {
        "id": pages["id"],
        "text": [text.text for text in texts],
        "url": links["url"],
        "domain": links["domain"],
        "title": [text.title or _title(posts) for text, posts in zip(texts, submissions, strict=True)],
        "language": [text.language for text in texts],
        "language_score": pa.array([text.language_score for text in texts], pa.float32()),
        "score": links["score"],
        "subreddits": [_values(posts, "subreddit") for posts in submissions],
        "submission_ids": [_values(posts, "id") for posts in submissions],
        "created_utc": links["created_utc"],
        "fetched_at": pages["fetched_at"],
        "source": pages["source"],
        "char_count": [text.char_count for text in texts],
        "word_count": [text.word_count for text in texts],
        "text_sha256": [text.text_sha256 for text in texts],
    }
    arrays = [
        values
        if isinstance(values, pa.Array | pa.ChunkedArray)
        else pa.array(values, schemas.DOCUMENTS.field(name).type)
        for name, values in columns.items()
    ]
    return require_schema(pa.table(arrays, names=list(columns)), schemas.DOCUMENTS)


def _values(posts: Sequence[dict[str, Any]], field: str) -> list[str]:
    """A field of a link's posts: sorted, each value once, without the empty ones of URL lists."""
    return sorted({post[field] for post in posts if post[field]})


def _title(posts: Sequence[dict[str, Any]]) -> str:
    """The title of the earliest post that has one."""
    titled = (post for post in posts if post["title"])
    return str(min(titled, key=_age, default={"title": ""})["title"])


def _age(post: dict[str, Any]) -> tuple[bool, Any, str]:
    return post["created_utc"] is None, post["created_utc"], post["id"]


def signatures_table(documents: pa.Table, permutations: int) -> pa.Table:
    """What de-duplication needs of each document: rows of `schemas.signatures(permutations)`."""
    sketches = minhash.signatures(documents["text"], permutations)
    schema = schemas.signatures(permutations)
    columns = {**sketches._asdict(), **{name: documents[name] for name in ("id", "char_count", "score", "created_utc")}}
    return require_schema(pa.table([columns[name] for name in schema.names], names=schema.names), schema)


def ledger_table(pages: pa.Table, answers: Sequence[Text | Ending]) -> pa.Table:
    """The pages among `pages` that became no document, and why: LEDGER rows in their order."""
    rows = zip(pages["id"].to_pylist(), pages["url"].to_pylist(), answers, strict=True)
    return ledger_of(Stage.DOCUMENTS, ((link, url, answer) for link, url, answer in rows if isinstance(answer, Ending)))


def counters(answers: Sequence[Text | Ending]) -> dict[str, int]:
    """How many answers of each reason, `kept` among them; reasons that did not occur are left out."""
    reasons = [answer.reason.value if isinstance(answer, Ending) else Reason.KEPT.value for answer in answers]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}

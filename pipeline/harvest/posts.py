"""Files of posts as tables: what is read from dumps and URL lists before the posts of one link are brought together."""

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import pyarrow as pa

from pipeline import urls
from pipeline.harvest import dumps
from pipeline.harvest.rules import Rules
from pipeline.harvest.submissions import SubmissionReason, read_submission
from pipeline.harvest.tallies import Tally

POSTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # the link's
        pa.field("url", pa.string(), nullable=False),  # normalised
        pa.field("post", pa.string(), nullable=False),  # Reddit's id; empty for a line of a URL list
        pa.field("subreddit", pa.string(), nullable=False),
        pa.field("score", pa.int64()),  # null for a line of a URL list
        pa.field("created_utc", pa.int64()),  # seconds since 1970; null for a line of a URL list
        pa.field("title", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # the file's name
    ]
)
"""Posts on their way through the shuffle."""

Row = tuple[str, str, str, str, int | None, int | None, str, str]

BATCH_ROWS = 50_000
_COMMENT = b"#"


class InputFile(NamedTuple):
    """A file to read: a submission dump, or a list with one URL a line."""

    path: str
    kind: Literal["dump", "urls"]


def input_files(dumps: Sequence[str], lists: Sequence[str]) -> list[InputFile]:
    """Dumps and lists by path, sorted."""
    return sorted([InputFile(path, "dump") for path in dumps] + [InputFile(path, "urls") for path in lists])


def read_posts(
    file: InputFile, rules: Rules, blocked_subreddits: frozenset[str], batch_rows: int = BATCH_ROWS
) -> Iterator[pa.Table | Tally]:
    """The posts of a file that may count, as tables of POSTS of at most batch_rows rows; last of all the file's tally.

    The tally lacks the posts that were yielded: what becomes of them is known when all posts of a link are together.
    Raises OSError when the file cannot be read.
    """
    tally = _OpenTally(posixpath.basename(file.path))
    rows: list[Row] = []
    found = (
        _rows_of_dump(file.path, tally, rules, blocked_subreddits)
        if file.kind == "dump"
        else _rows_of_list(file.path, tally)
    )
    for row in found:
        rows.append(row)
        if len(rows) >= batch_rows:
            yield _table(rows)
            rows = []
    if rows:
        yield _table(rows)
    yield tally.closed()


class _OpenTally:
    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = 0
        self.reasons: Counter[str] = Counter()
        self.scores = 0
        self.score_sum = 0
        self.troubles: list[str] = []

    def count_broken(self, path: str, broken: dumps.BrokenLine) -> None:
        self.reasons[broken.fault] += 1
        if broken.fault is dumps.Fault.TRUNCATED:
            self.troubles.append(
                f"{path}: {broken.detail} after {self.lines - 1:,} lines; these are used, what follows is lost: "
                "get the file anew."
            )

    def closed(self) -> Tally:
        reasons = {str(reason): count for reason, count in self.reasons.items()}
        return Tally(self.source, self.lines, reasons, self.scores, self.score_sum, tuple(self.troubles))


def _rows_of_dump(path: str, tally: _OpenTally, rules: Rules, blocked_subreddits: frozenset[str]) -> Iterator[Row]:
    reasons, source = tally.reasons, tally.source
    for line in dumps.lines(path):
        tally.lines += 1
        if isinstance(line, dumps.BrokenLine):
            tally.count_broken(path, line)
            continue
        post = read_submission(line)
        if isinstance(post, SubmissionReason):
            reasons[post] += 1
            continue
        tally.scores += 1
        tally.score_sum += post.score
        refusal = rules.refusal(post)
        if refusal is None and post.subreddit.lower() in blocked_subreddits:
            refusal = SubmissionReason.BLOCKED_SUBREDDIT
        if refusal is not None:
            reasons[refusal] += 1
            continue
        url = urls.normalise(post.url)
        if url is None:
            relative = post.url.startswith("/") and not post.url.startswith("//")
            reasons[SubmissionReason.REDDIT_PAGE if relative else SubmissionReason.BAD_URL] += 1
            continue
        yield urls.link_id(url), url, post.id, post.subreddit, post.score, post.created_utc, post.title, source


def _rows_of_list(path: str, tally: _OpenTally) -> Iterator[Row]:
    for line in dumps.lines(path):
        if not isinstance(line, dumps.BrokenLine) and line.lstrip().startswith(_COMMENT):
            continue
        tally.lines += 1
        if isinstance(line, dumps.BrokenLine):
            tally.count_broken(path, line)
            continue
        url = urls.normalise(line.decode("utf-8", "replace"))
        if url is None:
            tally.reasons[SubmissionReason.BAD_URL] += 1
            continue
        yield urls.link_id(url), url, "", "", None, None, "", tally.source


def _table(rows: list[Row]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, POSTS, strict=True)], schema=POSTS)

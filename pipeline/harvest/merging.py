"""All posts of a link become one link. Vectorised: a partition may hold a million posts."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schemas, tables, urls
from pipeline.harvest.rules import Rules
from pipeline.harvest.submissions import SubmissionReason
from pipeline.harvest.tallies import Tally
from pipeline.ledger import Ending, Stage

_ORDER = [
    ("id", "ascending"),
    ("post", "ascending"),
    ("score", "descending"),
    ("created_utc", "ascending"),
    ("source", "ascending"),
    ("url", "ascending"),
    ("title", "ascending"),
    ("subreddit", "ascending"),
]
_LOWEST = np.iinfo(np.int64).min
_LATEST = np.iinfo(np.int64).max

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


class MergedLinks(NamedTuple):
    """What a partition's posts amount to.

    links: schemas.LINKS, sorted by id, refused links included. refused: schemas.LEDGER, a row for each link that its
    address refuses, sorted by id. tallies: what became of the posts, a tally a source.
    """

    links: pa.Table
    refused: pa.Table
    tallies: list[Tally]


def merge_posts(posts: pa.Table, rules: Rules, judge: Callable[[str], Ending | None]) -> MergedLinks:
    """Bring the posts of each link together.

    posts: columns of posts.POSTS, in any order: the result does not depend on it. All posts of a link must be there.
    judge: says of a normalised address why it is refused.

    A post that comes twice counts once, with its highest score. The link's address is that of its earliest post, ties
    by the post's id. Lines of URL lists make a link whatever its karma, and count for neither score nor date.
    """
    posts = posts.sort_by(_ORDER).combine_chunks()
    repeated = ~_differs_from_previous(posts, "id", "post")
    unlucky = np.zeros(posts.num_rows, dtype=np.bool_)
    if rules.karma_rule == "sum":
        unlucky = ~repeated & _below_karma(posts, ~repeated, rules.min_karma)
    counted = ~repeated & ~unlucky
    tallies = [
        tally
        for reason, chosen in (
            (SubmissionReason.REPEATED, repeated),
            (SubmissionReason.LOW_KARMA, unlucky),
            (SubmissionReason.LINKED, counted),
        )
        for tally in _tallies(posts, chosen, reason)
    ]
    links = _links(posts.filter(pa.array(counted)), rules)
    return MergedLinks(links, _refused(links, judge), tallies)


def _differs_from_previous(posts: pa.Table, *columns: str) -> Booleans:
    """Which rows are the first with their values in `columns`, of rows sorted by these."""
    first = np.zeros(posts.num_rows, dtype=np.bool_)
    first[:1] = True
    for column in columns:
        values = posts[column].combine_chunks() if posts.num_rows else posts[column]
        if len(values) > 1:
            first[1:] |= pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return first


def _scores(posts: pa.Table, absent: int) -> Integers:
    return _integers(posts, "score", absent)


def _integers(posts: pa.Table, column: str, absent: int) -> Integers:
    values: Integers = pc.fill_null(posts[column], pa.scalar(absent, pa.int64())).to_numpy()
    return values


def _is_listed(posts: pa.Table) -> Booleans:
    """Which rows are lines of URL lists."""
    listed: Booleans = pc.is_null(posts["score"]).to_numpy()
    return listed


def _below_karma(posts: pa.Table, counted: Booleans, min_karma: int) -> Booleans:
    """Which rows are posts of links whose counted posts together do not reach the karma."""
    if not posts.num_rows:
        return np.zeros(0, dtype=np.bool_)
    starts = np.flatnonzero(_differs_from_previous(posts, "id"))
    totals = np.add.reduceat(np.where(counted, _scores(posts, 0), 0), starts)
    sizes = np.diff(np.append(starts, posts.num_rows))
    below: Booleans = np.repeat(totals < min_karma, sizes) & ~_is_listed(posts)
    return below


def _tallies(posts: pa.Table, chosen: Booleans, reason: SubmissionReason) -> list[Tally]:
    sources = Counter(posts["source"].filter(pa.array(chosen)).to_pylist())
    # Lines were counted when they were read.
    return [Tally(source, reasons={str(reason): sources[source]}) for source in sorted(sources)]


def _links(posts: pa.Table, rules: Rules) -> pa.Table:
    """schemas.LINKS from posts that count, sorted as _ORDER says."""
    if not posts.num_rows:
        return schemas.LINKS.empty_table()
    starts = np.flatnonzero(_differs_from_previous(posts, "id"))
    offsets = np.append(starts, posts.num_rows)
    listed = _is_listed(posts)
    if rules.karma_rule == "max":
        scores = np.maximum.reduceat(_scores(posts, _LOWEST), starts)
    else:
        scores = np.add.reduceat(_scores(posts, 0), starts)
    only_listed = np.logical_and.reduceat(listed, starts)
    created = _integers(posts, "created_utc", _LATEST)
    link_of_row = np.repeat(np.arange(len(starts)), np.diff(offsets))
    earliest = np.lexsort((created, link_of_row))[starts]
    addresses = posts["url"].take(pa.array(earliest)).combine_chunks()
    links = pa.table(
        [
            posts["id"].take(pa.array(starts)),
            addresses,
            pa.array([urls.registrable_domain(address) for address in addresses.to_pylist()], pa.string()),
            pa.array(scores, pa.int64(), mask=only_listed),
            _times(posts["created_utc"].take(pa.array(earliest))),
            pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _submissions(posts)),
        ],
        names=schemas.LINKS.names,
    )
    return tables.require_schema(links, schemas.LINKS)


def _submissions(posts: pa.Table) -> pa.StructArray:
    columns = {field.name: "post" if field.name == "id" else field.name for field in schemas.SUBMISSION}
    values = [posts[column].combine_chunks() for column in columns.values()]
    values[list(columns).index("created_utc")] = _times(posts["created_utc"]).combine_chunks()
    return pa.StructArray.from_arrays(values, fields=list(schemas.SUBMISSION))


def _times(seconds: pa.ChunkedArray) -> pa.ChunkedArray:
    return seconds.cast(schemas.SECONDS).cast(schemas.TIME)


def _refused(links: pa.Table, judge: Callable[[str], Ending | None]) -> pa.Table:
    addresses = zip(links["id"].to_pylist(), links["url"].to_pylist(), strict=True)
    judged = ((link_id, url, judge(url)) for link_id, url in addresses)
    return tables.ledger_of(
        Stage.LINKS, ((link_id, url, ending) for link_id, url, ending in judged if ending is not None)
    )

"""Mass balance: what went in is what came out, or the run fails loudly."""

import dataclasses
from collections.abc import Mapping, Sequence


class BooksDoNotBalanceError(Exception):
    """The counts of a run contradict each other: something was lost or counted twice."""


@dataclasses.dataclass(frozen=True)
class Books:
    """The sums that must agree.

    links: rows of links/. ledger_rows: rows of the ledger, of which `kept` say kept. train, validation: rows of the
    shards. signatures: rows of the release's signatures/.
    submissions: posts and list lines that were read; submissions_by_reason: what became of them, those that became
    links included.
    faults: sentences of `settlement.faults`.
    """

    links: int
    ledger_rows: int
    kept: int
    train: int
    validation: int
    signatures: int
    submissions: int = 0
    submissions_by_reason: Mapping[str, int] = dataclasses.field(default_factory=dict)
    faults: Sequence[str] = ()


def check_books(books: Books) -> None:
    """Compare the sums.

    Raises BooksDoNotBalanceError, naming every pair of sums that differs and by how much.
    """
    reasons = sum(books.submissions_by_reason.values())
    pairs = [
        ("submissions read", books.submissions, "sum over the reasons of submissions", reasons),
        ("links", books.links, "ledger rows", books.ledger_rows),
        ("kept rows of the ledger", books.kept, "rows of train and validation", books.train + books.validation),
        ("kept rows of the ledger", books.kept, "rows of signatures", books.signatures),
    ]
    differences = [
        f"{left_name} ({left:,}) differ from {right_name} ({right:,}) by {abs(left - right):,}"
        for left_name, left, right_name, right in pairs
        if left != right
    ]
    complaints = [*books.faults, *differences]
    if complaints:
        raise BooksDoNotBalanceError("the books do not balance: " + "; ".join(complaints))

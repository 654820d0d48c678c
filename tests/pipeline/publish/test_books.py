"""Books that do not balance stop the run and say why."""

import dataclasses

import pyarrow as pa
import pytest

from pipeline import schemas
from pipeline.publish import settlement
from pipeline.publish.books import Books, BooksDoNotBalanceError, check_books

GOOD = Books(10, 10, 4, 3, 1, 4, submissions=30, submissions_by_reason={"link": 12, "low_karma": 18})


def test_agreeing_sums_pass() -> None:
    check_books(GOOD)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"links": 11}, r"links \(11\) differ from ledger rows \(10\) by 1"),
        ({"train": 2}, r"kept rows of the ledger \(4\) differ from rows of train and validation \(3\) by 1"),
        ({"signatures": 5}, r"rows of signatures \(5\) by 1"),
        ({"submissions": 31}, r"submissions read \(31\) differ .* \(30\) by 1"),
        ({"faults": ("2 links have no ending, for example ab",)}, "2 links have no ending, for example ab"),
    ],
)
def test_each_difference_is_told(changed: dict[str, object], words: str) -> None:
    with pytest.raises(BooksDoNotBalanceError, match=words):
        check_books(dataclasses.replace(GOOD, **changed))  # type: ignore[arg-type]


def _links(*ids: str) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.string())})


def test_faults_find_lost_doubled_and_foreign_links() -> None:
    assert settlement.faults(_links("a", "b"), _links("b", "a")) == []
    assert settlement.faults(_links("a", "b"), _links("a")) == ["1 links have no ending, for example b"]
    assert settlement.faults(_links("a"), _links("a", "a")) == ["1 links have more than one ending, for example a"]
    assert settlement.faults(_links("a", "a"), _links("a")) == ["1 links stand twice in links/, for example a"]
    assert settlement.faults(_links(), _links("x")) == ["1 endings belong to no link, for example x"]
    assert settlement.faults(schemas.LINKS.empty_table(), schemas.LEDGER.empty_table()) == []

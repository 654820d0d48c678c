"""One partition's tables: documents joined with their links, signatures, ledger rows."""

import datetime
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schemas, tables
from pipeline.extract.partition import (
    OpenPartition,
    addresses_of,
    counters,
    documents_table,
    ending_of,
    fetched,
    ledger_table,
    signatures_table,
    whereabouts,
)
from pipeline.extract.task import Text, counted
from pipeline.ledger import Ending, Reason, dropped, failed
from pipeline.sandbox import Crashed, Done, Raised, TimedOut
from webtext.errors import UserError

WHEN = datetime.datetime(2010, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def text(words: str, title: str = "") -> Text:
    return counted(words, title, "en", 0.75)


def pages(*ids: str, **columns: list[Any]) -> pa.Table:
    usual = dict.fromkeys(schemas.PAGES.names)
    usual |= {"outcome": "fetched", "reason": "", "detail": "", "source": "warc", "fetched_at": WHEN}
    rows = [
        usual | {"id": link, "url": f"http://a/{link}"} | {name: values[row] for name, values in columns.items()}
        for row, link in enumerate(ids)
    ]
    return pa.Table.from_pylist(rows, schemas.PAGES)


def post(
    name: str, subreddit: str = "pics", title: str = "", created: datetime.datetime | None = WHEN
) -> dict[str, Any]:
    return {"id": name, "subreddit": subreddit, "score": 3, "created_utc": created, "title": title, "source": "RS"}


def links(**submissions: list[dict[str, Any]]) -> pa.Table:
    rows = [
        {"id": link, "url": f"http://a/{link}", "domain": "a", "score": 3, "created_utc": WHEN, "submissions": posts}
        for link, posts in submissions.items()
    ]
    return pa.Table.from_pylist(rows, schemas.LINKS)


def test_only_fetched_pages_are_read_the_largest_first() -> None:
    index = pages(
        *"abcd",
        outcome=["fetched", "failed", "fetched", "fetched"],
        warc_file=["x", None, "y", "y"],
        warc_offset=[0, None, 1, 8],
        warc_length=[5, None, 7, 7],
        final_url=[None, None, "http://b/", None],
    )
    had = fetched(index)
    assert had["id"].to_pylist() == ["a", "c", "d"]
    assert whereabouts(had) == [(1, "y", 1, 7), (2, "y", 8, 7), (0, "x", 0, 5)]
    assert addresses_of(had) == ["http://a/a", "http://b/", "http://a/d"]


def test_documents_take_what_their_links_tell_in_any_order_of_links() -> None:
    posts = links(
        z=[],
        c=[post("p9", "b"), post("p1", "a"), post("p3", "b"), post("p1", "a")],
        a=[post("", "", "From a list", None)],
    )
    table = documents_table(
        pages("a", "b", "c"), posts, [text("one"), dropped(Reason.NO_TEXT), text("two words", "Own")]
    )
    assert table.schema == schemas.DOCUMENTS
    rows = table.to_pylist()
    assert [(row["id"], row["text"], row["title"]) for row in rows] == [
        ("a", "one", "From a list"),
        ("c", "two words", "Own"),
    ]
    assert rows[0]["subreddits"] == rows[0]["submission_ids"] == []
    assert rows[1]["subreddits"] == ["a", "b"]
    assert rows[1]["submission_ids"] == ["p1", "p3", "p9"]


def test_the_title_falls_back_to_that_of_the_earliest_post_that_has_one() -> None:
    later = WHEN + datetime.timedelta(1)
    posts = [
        post("1", title="undated", created=None),
        post("2", title="later", created=later),
        post("3", title="first"),
        post("0"),
    ]
    (row,) = documents_table(pages("a"), links(a=posts), [text("one")]).to_pylist()
    assert row["title"] == "first"
    (row,) = documents_table(pages("a"), links(a=posts[:1]), [text("one")]).to_pylist()
    assert row["title"] == "undated"
    (row,) = documents_table(pages("a"), links(a=posts[3:]), [text("one")]).to_pylist()
    assert row["title"] == ""


def test_a_page_without_a_link_breaks_the_books() -> None:
    with pytest.raises(AssertionError, match="without a link"):
        documents_table(pages("a"), links(b=[]), [text("one")])


def test_nothing_gives_empty_tables_with_their_columns() -> None:
    documents = documents_table(pages(), links(), [])
    assert documents.schema == schemas.DOCUMENTS
    assert signatures_table(documents, 32).schema == schemas.signatures(32)
    assert ledger_table(pages(), []).schema == schemas.LEDGER
    assert counters([]) == {}


def test_signatures_stand_beside_their_documents() -> None:
    documents = documents_table(pages("a", "b"), links(a=[], b=[]), [text("The same, words!"), text("the same words")])
    rows = signatures_table(documents, 16).to_pylist()
    assert [row["id"] for row in rows] == ["a", "b"]
    assert rows[0]["content_hash"] == rows[1]["content_hash"]
    assert len(rows[0]["signature"]) == 64
    assert [row["char_count"] for row in rows] == [16, 14]
    assert [row["score"] for row in rows] == [3, 3]


def test_refused_pages_have_their_ledger_rows_and_all_are_counted() -> None:
    answers: list[Text | Ending] = [
        text("one"),
        dropped(Reason.TOO_SHORT, "2 words"),
        failed(Reason.BROKEN_RECORD),
        dropped(Reason.TOO_SHORT),
    ]
    rows = ledger_table(pages("a", "b", "c", "d"), answers).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("b", "http://a/b", "documents", "dropped", "too_short", "2 words"),
        ("c", "http://a/c", "documents", "failed", "broken_record", ""),
        ("d", "http://a/d", "documents", "dropped", "too_short", ""),
    ]
    assert counters(answers) == {"broken_record": 1, "kept": 1, "too_short": 2}


def test_what_became_of_the_child_is_said_in_words_that_do_not_change() -> None:
    assert ending_of(Done(dropped(Reason.NO_TEXT))) == dropped(Reason.NO_TEXT)
    assert ending_of(TimedOut(2.5)) == failed(Reason.EXTRACTION_TIMEOUT, "more than 2.5 seconds")
    assert ending_of(Crashed("SIGSEGV", "Thread 0x00007f")) == failed(Reason.EXTRACTION_CRASH, "SIGSEGV")
    assert ending_of(Raised("KeyError", "<x at 0x7fAb12>")) == failed(Reason.EXTRACTION_CRASH, "KeyError: <x at 0x...>")


@pytest.mark.parametrize("kind", ["OSError", "FileNotFoundError", "ModuleNotFoundError"])
def test_an_ill_machine_is_no_fault_of_the_page(kind: str) -> None:
    with pytest.raises(UserError, match=f"{kind}: No space left"):
        ending_of(Raised(kind, "No space left on device"))


def test_a_partition_is_complete_when_every_page_has_its_answer() -> None:
    index = tables.sorted_by(pages("b", "a", "c", outcome=["fetched", "fetched", "failed"]), "url")
    opened = OpenPartition(3, index)
    answers: dict[int, Text | Ending] = {1: text("second"), 0: dropped(Reason.NO_TEXT)}
    for row, answer in answers.items():
        assert not opened.complete
        opened.answer(row, answer)
    assert opened.complete
    assert opened.pages["id"].to_pylist() == ["a", "b"]
    assert opened.answers() == [answers[0], answers[1]]
    with pytest.raises(AssertionError, match="twice"):
        opened.answer(1, text("again"))
    assert OpenPartition(4, pages("a", outcome=["failed"])).complete

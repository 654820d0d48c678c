from typing import Any

from pipeline import summaries
from pipeline.ledger import FETCHED

WEB = {
    "hosts": 1200,
    "seconds": 9000.0,
    "idle_seconds": 30.0,
    "slowest": [{"host": f"h{number}.test", "links": 1000, "seconds": 9000.0 - number} for number in range(9)],
}


def counters(**web: Any) -> dict[str, Any]:
    return {FETCHED: 7, "http_error": 2, "requests": 12, "web": {**WEB, **web}}


def test_what_the_web_took_is_no_reason_of_links() -> None:
    assert "7 of 9 links have a page" in summaries.line("pages", counters())


def test_a_long_end_is_told_with_the_hosts_that_made_it() -> None:
    (sentence,) = summaries.remarks(counters(idle_seconds=7200.0))
    assert sentence.startswith("1,200 hosts of the web were asked in 2.5 h; in the last 2.0 h of it fewer hosts")
    assert "h0.test (1,000 links)" in sentence
    assert "h8.test" not in sentence


def test_a_short_end_is_not_worth_a_word() -> None:
    assert summaries.remarks(counters()) == ["1,200 hosts of the web were asked in 2.5 h."]
    assert summaries.remarks({"kept": 3}) == []

"""For which links archives are asked."""

import pytest

from pipeline.fetch.fallbacks.dead import is_dead, with_answer
from pipeline.ledger import Outcome, Reason

ASKED = {
    *("not_in_archive", "dns_error", "connection_error", "tls_error", "timeout", "bad_response", "broken_record"),
    *("http_error", "too_many_redirects", "host_failing"),
}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.KEPT])
def test_reasons(reason: Reason) -> None:
    assert is_dead(Outcome.FAILED, reason, "404", "live") == (reason in ASKED)
    assert not is_dead(Outcome.DROPPED, reason, "", "live")
    assert not is_dead("fetched", "", "", "live")


@pytest.mark.parametrize(
    ("status", "dead"),
    [("404", True), ("410", True), ("400", True), ("500", True), ("503", True), ("521", True)]
    + [(status, False) for status in ("401", "402", "403", "407", "429", "451", "999")],
)
def test_nobody_who_refuses_is_gone_around(status: str, dead: bool) -> None:
    assert is_dead("failed", "http_error", status, "live") is dead


def test_what_an_archive_at_hand_has_answered_is_answered() -> None:
    assert not is_dead("failed", "http_error", "404", "warc")
    assert not is_dead("failed", "broken_record", "", "warc")
    assert is_dead("failed", "not_in_archive", "leads to http://a.test/", "warc")
    assert is_dead("failed", "not_in_archive", "", None)


def test_details_add_up() -> None:
    assert (
        with_answer(with_answer("404", "commoncrawl", "no capture"), "wayback", "x")
        == "404; commoncrawl: no capture; wayback: x"
    )
    assert with_answer("", "wayback", "no capture") == "wayback: no capture"

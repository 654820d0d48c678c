import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fetch.live import politeness
from pipeline.fetch.live.politeness import Host, Manners, after_answer, after_failure, backoff, gap, retry_after
from pipeline.ledger import Outcome, Reason

MANNERS = Manners(delay_seconds=1.0)
HURRY = Manners(delay_seconds=0.0)
SLOW = (10.0, 10.0)


@pytest.mark.parametrize(
    ("host", "seconds"),
    [
        (Host(), 1.0),
        (Host(crawl_delay=0.1), 1.0),
        (Host(crawl_delay=7.0), 7.0),
        (Host(latencies=(0.5, 0.5)), 2.5),
        (Host(latencies=(9.0, 0.01)), 1.0),
        (Host(latencies=SLOW), 30.0),
        (Host(latencies=(0.5, 0.5), crawl_delay=10.0), 10.0),
    ],
)
def test_the_gap_is_the_longest_of_what_is_asked_within_bounds(host: Host, seconds: float) -> None:
    assert gap(MANNERS, host) == seconds


def test_a_user_s_delay_is_never_shortened() -> None:
    assert gap(Manners(delay_seconds=60.0), Host(crawl_delay=5.0, latencies=SLOW)) == 60.0


def test_no_delay_turns_all_waiting_off() -> None:
    host = politeness.with_crawl_delay(HURRY, Host(), 3600.0)
    assert host.ending is None
    assert gap(HURRY, Host(crawl_delay=20.0, latencies=SLOW)) == 0.0
    assert after_failure(HURRY, Host(), 5.0, wait=1000.0).ready_at == 5.0
    assert backoff(HURRY, "ab" * 16, 2) == 0.0


@pytest.mark.parametrize(("delay", "closed"), [(None, False), (30.0, False), (30.5, True), (1e9, True)])
def test_a_host_that_wants_more_patience_than_we_have_is_left_for_later(delay: float | None, closed: bool) -> None:
    host = politeness.with_crawl_delay(MANNERS, Host(), delay)
    assert (host.ending is not None) is closed
    if host.ending:
        assert (host.ending.outcome, host.ending.reason) == (Outcome.DEFERRED, Reason.CRAWL_DELAY)


def test_the_gap_counts_from_the_first_byte() -> None:
    assert after_answer(MANNERS, Host(), first_byte_at=10.0, latency=0.1).ready_at == 11.0


def test_five_failures_in_a_row_close_a_host_and_an_answer_begins_anew() -> None:
    host = Host()
    for _ in range(4):
        host = after_failure(MANNERS, host, 0.0)
    assert host.ending is None
    assert after_answer(MANNERS, host, 0.0, 0.1).failures == 0
    host = after_failure(MANNERS, host, 0.0)
    assert host.ending is not None
    assert (host.ending.outcome, host.ending.reason) == (Outcome.DEFERRED, Reason.HOST_FAILING)


def test_tries_of_one_address_need_not_count_each() -> None:
    host = Host()
    for _ in range(10):
        host = after_failure(MANNERS, host, 0.0, counts=False)
    assert host.ending is None


def test_a_wait_that_is_asked_for_is_kept_unless_it_is_too_long() -> None:
    assert after_failure(MANNERS, Host(), 100.0, wait=120.0).ready_at == 220.0
    assert after_failure(MANNERS, Host(), 100.0, wait=0.01).ready_at == 101.0
    ending = after_failure(MANNERS, Host(), 100.0, wait=301.0).ending
    assert ending is not None
    assert "301" in ending.detail


@pytest.mark.parametrize(
    ("reason", "status", "retried", "trouble"),
    [
        (Reason.CONNECTION_ERROR, None, True, True),
        (Reason.HTTP_ERROR, 429, True, True),
        (Reason.HTTP_ERROR, 503, True, True),
        (Reason.HTTP_ERROR, 500, True, True),
        (Reason.HTTP_ERROR, 501, False, True),
        (Reason.HTTP_ERROR, 408, True, False),
        *((Reason.HTTP_ERROR, status, False, False) for status in (400, 401, 402, 403, 404, 410, 451)),
        (Reason.TIMEOUT, None, False, True),
        (Reason.TLS_ERROR, None, False, True),
        (Reason.BAD_RESPONSE, None, False, True),
        (Reason.NOT_HTML, 200, False, False),
        (Reason.TOO_LARGE, 200, False, False),
        (Reason.FORBIDDEN_ADDRESS, None, False, False),
    ],
)
def test_what_is_tried_again_and_what_is_trouble(
    reason: Reason, status: int | None, retried: bool, trouble: bool
) -> None:
    assert politeness.is_retried(reason, status) is retried
    assert politeness.is_trouble(reason, status) is trouble


def test_backoff_doubles_and_is_spread_by_the_link() -> None:
    first, second = (backoff(MANNERS, "80000000" + "0" * 24, tries) for tries in (1, 2))
    assert second == 2 * first
    assert first == pytest.approx(5.0)
    assert backoff(MANNERS, "0" * 32, 1) == 2.5
    assert backoff(MANNERS, "f" * 32, 1) == 7.5


NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0), (" 0 ", 0.0), ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0), ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("", None), ("-5", None), ("soon", None), ("1.5", None), ("٣", None), ("Sun, 99 Nov 1994 08:50:37 GMT", None),
        ("9" * 400, 999_999_999_999.0), ("Sun, 06 Nov 99999 08:50:37 GMT", None),
    ],
)  # fmt: skip
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_never_raises(header: str) -> None:
    seconds = retry_after(header, NOW)
    assert seconds is None or seconds >= 0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 60), st.floats(0, 10)), max_size=30), st.floats(0.01, 60))
def test_whatever_happens_the_next_request_waits_for_the_user_s_delay(
    events: list[tuple[bool, float, float]], delay: float
) -> None:
    manners, host, now = Manners(delay_seconds=delay), Host(), 0.0
    for answered, passed, latency in events:
        now += passed
        host = after_answer(manners, host, now, latency) if answered else after_failure(manners, host, now)
        if host.ending is not None:
            break
        assert host.ready_at >= now + delay or math.isclose(host.ready_at, now + delay)

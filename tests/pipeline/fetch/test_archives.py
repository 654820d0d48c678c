import itertools
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import urls
from pipeline.fetch.archives import MAX_HOPS, Answer, Chooser, Link, Request, may_be_html
from pipeline.fetch.captures import Capture
from pipeline.ledger import Ending, Outcome, Reason, dropped
from tests.pipeline.fetch.archive_bytes import id_of

URL = "http://example.org/a"
LINK = Link(id_of(URL), URL, 1000)
CHOOSER = Chooser(max_bytes=10_000)


def capture(url: str = URL, date: int | None = 1000, **changes: Any) -> Capture:
    facts: dict[str, Any] = {
        "id": id_of(url),
        "url": url,
        "date": date,
        "kind": "response",
        "status": 200,
        "content_type": "text/html",
        "file": "a.warc.gz",
        "offset": 0,
        "length": 100,
        "payload_bytes": 500,
        "payload_digest": "",
        "payload_sha256": "",
        "location": "",
        "refers_to_url": "",
        "refers_to_date": None,
        "truncated": "",
    }
    return Capture(**{**facts, **changes})


def redirect(target: str, url: str = URL, date: int | None = 1000, **changes: Any) -> Capture:
    return capture(url, date, status=301, location=urls.normalise(target), **changes)


def revisit(
    date: int | None = 2000, refers: str = URL, refers_date: int | None = 1000, digest: str = "", payload_bytes: int = 0
) -> Capture:
    return capture(
        URL,
        date,
        kind="revisit",
        refers_to_url=refers,
        refers_to_date=refers_date,
        payload_digest=digest,
        payload_bytes=payload_bytes,
    )


def end(captures: list[Capture], link: Link = LINK, chooser: Chooser = CHOOSER) -> Answer:
    """Take steps until there is an answer."""
    step = chooser.start(link, [each for each in captures if each.id == link.id])
    for _ in range(MAX_HOPS + 1):
        if isinstance(step, Answer):
            return step
        step = chooser.follow(step, [each for each in captures if each.id == step.id])
    assert isinstance(step, Answer), "it goes on for ever"
    return step


def reason(answer: Answer) -> tuple[Outcome, Reason]:
    assert isinstance(answer.ending, Ending)
    return answer.ending.outcome, answer.ending.reason


def test_a_page_is_an_answer() -> None:
    page = capture()
    assert end([page]) == Answer(LINK.id, URL, None, page, URL)


@pytest.mark.parametrize(
    ("created", "dates", "chosen"),
    [
        (1000, [100, 900, 1200], 900),
        (1000, [0, 5000], 0),
        (1000, [999, 1001], 999),
        (None, [100, 900, 1200], 1200),
        (1000, [None, 10**9], 10**9),
        (None, [None, 5], 5),
    ],
)
def test_the_capture_nearest_to_the_post_is_chosen(
    created: int | None, dates: list[int | None], chosen: int | None
) -> None:
    link = LINK._replace(created=created)
    for order in itertools.permutations(dates):
        answer = end([capture(date=date) for date in order], link)
        assert answer.capture is not None
        assert answer.capture.date == chosen


def test_ties_go_to_the_first_file_and_offset() -> None:
    captures = [capture(file=file, offset=offset) for file in "cab" for offset in (7, 3)]
    for order in itertools.permutations(captures):
        answer = end(list(order))
        assert answer.capture is not None
        assert (answer.capture.file, answer.capture.offset) == ("a", 3)


RANKED = [
    capture(date=9000),
    capture(date=8000, truncated="length"),
    redirect("http://example.org/b", date=7000),
    redirect("https://example.org/a", date=6000),
    capture(date=5000, content_type="application/pdf"),
    capture(date=4000, payload_bytes=10_001),
    capture(date=3000, status=404),
    capture(date=2000, status=None),
    revisit(date=1000, refers="", refers_date=None),
]


@pytest.mark.parametrize(("better", "worse"), list(itertools.pairwise(RANKED)))
def test_a_better_capture_is_chosen_though_a_worse_one_is_nearer(better: Capture, worse: Capture) -> None:
    for captures in ([better, worse], [worse, better]):
        step = CHOOSER.start(LINK, captures)
        assert (step.at if isinstance(step, Request) else step.capture and step.capture.date) == better.date


@pytest.mark.parametrize(
    ("page", "expected", "detail"),
    [
        (capture(status=404), (Outcome.FAILED, Reason.HTTP_ERROR), "404"),
        (capture(status=500), (Outcome.FAILED, Reason.HTTP_ERROR), "500"),
        (capture(status=302), (Outcome.FAILED, Reason.HTTP_ERROR), "302"),
        (capture(status=None), (Outcome.FAILED, Reason.BROKEN_RECORD), "no HTTP status line"),
        (capture(content_type="image/png"), (Outcome.DROPPED, Reason.NOT_HTML), "image/png"),
        (capture(payload_bytes=10_001), (Outcome.DROPPED, Reason.TOO_LARGE), "10001 bytes"),
    ],
)
def test_what_is_no_page_says_why(page: Capture, expected: tuple[Outcome, Reason], detail: str) -> None:
    answer = end([page])
    assert reason(answer) == expected
    assert answer.ending is not None
    assert answer.ending.detail == detail
    assert answer.capture == page


@pytest.mark.parametrize(
    "kind", ["text/html", "TEXT/HTML; charset=x", "application/xhtml+xml", "", "html", "text", "unknown/unknown"]
)
def test_types_that_may_be_pages(kind: str) -> None:
    assert may_be_html(kind)


@pytest.mark.parametrize(
    "kind", ["text/plain", "image/png", "application/pdf; html=no", "application/json", "text/xml"]
)
def test_types_that_are_no_pages(kind: str) -> None:
    assert not may_be_html(kind)


def test_a_redirect_is_followed_to_the_capture_nearest_to_it() -> None:
    target = "http://other.org/b"
    captures = [
        redirect(target, date=1500),
        capture(target, date=100),
        capture(target, date=1600),
        capture(target, 9000),
    ]
    answer = end(captures)
    assert answer.ending is None
    assert answer.final_url == target
    assert answer.capture == captures[2]
    assert (answer.link_id, answer.url) == (LINK.id, URL)


def chain(hops: int) -> list[Capture]:
    addresses = [URL, *(f"http://hop{number}.org/" for number in range(hops))]
    return [*(redirect(after, before) for before, after in itertools.pairwise(addresses)), capture(addresses[-1])]


def test_as_many_redirects_are_followed_as_allowed_and_not_one_more() -> None:
    assert end(chain(MAX_HOPS)).ending is None
    assert reason(end(chain(MAX_HOPS + 1))) == (Outcome.FAILED, Reason.TOO_MANY_REDIRECTS)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_of_redirects_ends(length: int) -> None:
    addresses = [URL, *(f"http://hop{number}.org/" for number in range(length - 1)), URL]
    captures = [redirect(after, before) for before, after in itertools.pairwise(addresses)]
    answer = end(captures)
    assert reason(answer) == (Outcome.FAILED, Reason.TOO_MANY_REDIRECTS)


def test_a_redirect_to_what_no_archive_has_names_it() -> None:
    answer = end([redirect("http://gone.org/x")])
    assert reason(answer) == (Outcome.FAILED, Reason.NOT_IN_ARCHIVE)
    assert answer.ending is not None
    assert "http://gone.org/x" in answer.ending.detail


def test_a_redirect_to_another_spelling_of_the_link_finds_the_page() -> None:
    page = capture("https://www.example.org/a/")
    assert page.id == LINK.id
    answer = end([redirect("https://www.example.org/a/"), page])
    assert answer.ending is None
    assert answer.final_url == "https://www.example.org/a/"


def test_a_redirect_to_another_spelling_that_leads_on_is_followed() -> None:
    captures = [
        redirect("https://example.org/a"),
        redirect("http://b.org/", "https://example.org/a"),
        capture("http://b.org/"),
    ]
    assert end(captures).final_url == "http://b.org/"


def test_a_redirect_to_another_spelling_that_is_not_there_names_it() -> None:
    answer = end([redirect("https://example.org/a")])
    assert reason(answer) == (Outcome.FAILED, Reason.NOT_IN_ARCHIVE)


def test_a_redirect_to_wikipedia_is_refused() -> None:
    target = "http://en.wikipedia.org/wiki/Web"
    answer = end([redirect(target), capture(target)])
    assert reason(answer) == (Outcome.DROPPED, Reason.WIKIPEDIA)
    assert answer.final_url == target


def test_a_redirect_to_what_a_list_blocks_is_refused() -> None:
    def refuse(url: str) -> Ending | None:
        return dropped(Reason.BLOCKED_DOMAIN, "x") if urls.host(url) == "blocked.org" else None

    answer = end([redirect("http://blocked.org/y")], chooser=Chooser(10_000, refuse))
    assert reason(answer) == (Outcome.DROPPED, Reason.BLOCKED_DOMAIN)
    assert answer.ending is not None
    assert "http://blocked.org/y" in answer.ending.detail


@pytest.mark.parametrize("by_digest", [True, False])
def test_a_revisit_has_the_body_that_it_stands_for(by_digest: bool) -> None:
    original = capture(date=100, offset=7, payload_digest="sha1:A")
    other = capture(date=200, offset=8, payload_digest="sha1:B")
    again = revisit(date=1000, refers="" if by_digest else URL, refers_date=None if by_digest else 100, digest="sha1:A")
    answer = end([other, again, original])
    assert answer.ending is None
    assert answer.capture is not None
    assert (answer.capture.offset, answer.capture.date) == (7, 1000)


def test_a_revisit_of_another_address_is_followed() -> None:
    elsewhere = capture("http://other.org/b", date=100, payload_digest="sha1:A", offset=7)
    answer = end([revisit(refers="http://other.org/b", refers_date=100), elsewhere])
    assert answer.ending is None
    assert answer.capture is not None
    assert (answer.capture.offset, answer.final_url, answer.capture.date) == (7, URL, 2000)


def test_a_revisit_of_what_is_not_there_fails() -> None:
    for again in (revisit(), revisit(refers="", refers_date=None), revisit(refers="http://other.org/", refers_date=5)):
        assert reason(end([again])) == (Outcome.FAILED, Reason.NOT_IN_ARCHIVE)
    wrong = capture("http://other.org/", date=6)
    assert reason(end([revisit(refers="http://other.org/", refers_date=5), wrong])) == (
        Outcome.FAILED,
        Reason.NOT_IN_ARCHIVE,
    )


def test_a_revisit_of_a_redirect_is_a_redirect() -> None:
    again = redirect("http://b.org/", kind="revisit", refers_to_url=URL, refers_to_date=500)
    assert end([again, capture("http://b.org/")]).final_url == "http://b.org/"


NAMES = ["http://a.org/", "https://a.org/", "http://b.org/", "http://c.org/", "http://en.wikipedia.org/"]


@st.composite
def any_capture(draw: st.DrawFn) -> Capture:
    address = st.sampled_from(NAMES)
    kind = draw(st.sampled_from(["response", "resource", "revisit"]))
    return capture(
        draw(address),
        draw(st.none() | st.integers(0, 3)),
        kind=kind,
        status=draw(st.sampled_from([200, 200, 301, 404, None])),
        location=draw(address) if draw(st.booleans()) else "",
        refers_to_url=draw(address) if kind == "revisit" and draw(st.booleans()) else "",
        refers_to_date=draw(st.none() | st.integers(0, 3)) if kind == "revisit" else None,
        payload_digest=draw(st.sampled_from(["", "A", "B"])),
        content_type=draw(st.sampled_from(["", "text/html", "image/png"])),
        truncated=draw(st.sampled_from(["", "length"])),
        file=draw(st.sampled_from("xy")),
    )


@given(
    st.lists(any_capture(), min_size=1, max_size=8), st.none() | st.integers(0, 3), st.randoms(use_true_random=False)
)
def test_any_captures_end_in_one_answer_whatever_their_order(
    captures: list[Capture], created: int | None, random: Random
) -> None:
    captures = [each._replace(offset=place) for place, each in enumerate(captures)]
    link = Link(captures[0].id, captures[0].url, created)
    answer = end(captures, link)
    random.shuffle(captures)
    again = end(captures, link)
    where = [(each.ending, each.final_url, each.capture and each.capture[7:9]) for each in (answer, again)]
    assert where[0] == where[1]
    if answer.ending is None:
        assert answer.capture is not None
        assert answer.capture.kind != "revisit"
        assert answer.capture.status == 200

import asyncio
import email.utils
import time

import pytest

from pipeline.doctor import web
from pipeline.doctor.findings import State
from pipeline.doctor.web import Answer, Server
from tests.pipeline.fetch.live.web import Hit, page, serving

CONTACT = "https://bots.test/about"


def behaviour(hit: Hit) -> bytes:
    if hit.path == "/early":
        return page(b"", "200 OK", f"Date: {email.utils.formatdate(time.time() - 3600, usegmt=True)}")
    return page(b"", hit.path.strip("/").replace("-", " "))


def test_servers_are_asked_once_and_by_name() -> None:
    statuses = ["200-OK", "302-Found", "404-Not-Found", "429-Too-Many-Requests", "503-Busy", "early"]
    with serving(behaviour) as there:
        servers = [Server(status, there.url(f"/{status}")) for status in statuses]
        answers = list(web.look_at_servers(servers, CONTACT))
        assert sorted(there.paths()) == sorted(f"/{status}" for status in statuses)
        assert all(CONTACT in hit.headers["user-agent"] for hit in there.hits)
    found = [web.check_answer(answer).state for answer in answers]
    assert found == [State.OK, State.OK, State.PROBLEM, State.WARNING, State.WARNING, State.OK]
    assert [answer.ahead for answer in answers[:5]] == [None] * 5
    assert answers[5].ahead == pytest.approx(3600, abs=5)


def test_servers_that_are_not_there_or_never_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as gone:
        closed = gone.url()
    monkeypatch.setattr(web, "SECONDS", 0.3)

    async def nothing(hit: Hit) -> None:
        await asyncio.sleep(5)

    with serving(nothing) as silent:
        answers = list(
            web.look_at_servers([Server("a", closed), Server("b", silent.url()), Server("c", "http://[")], "")
        )
    assert [web.check_answer(answer).state for answer in answers] == [State.PROBLEM] * 3
    assert "0.3 s" in web.check_answer(answers[1]).sentence


@pytest.mark.parametrize(
    ("contact", "has_address", "state"),
    [
        (CONTACT, True, State.OK),
        ("mailto:me@bots.test", True, State.OK),
        ("https://example.org/bot", True, State.WARNING),
        ("me@mail.example.com", True, State.WARNING),
        (CONTACT, False, State.WARNING),
    ],
)
def test_contact(contact: str, has_address: bool, state: State) -> None:
    assert web.check_contact(contact, lambda host: has_address).state is state


@pytest.mark.parametrize(
    ("contact", "host"),
    [("https://U:p@Bots.test:8/x", "bots.test"), ("mailto:me@A.test", "a.test"), ("me@a.test", "a.test")],
)
def test_host_of_a_contact(contact: str, host: str) -> None:
    assert web.contact_host(contact) == host


def test_certificates() -> None:
    assert web.check_certificates(0).state is State.PROBLEM
    assert web.check_certificates(140).state is State.OK


@pytest.mark.parametrize(
    ("now", "newest", "ahead", "state"),
    [
        (2e9, 1e9, [], State.OK),
        (1e9, 2e9, [], State.PROBLEM),
        (2e9, 1e9, [0.5, -1.0, 3.0], State.OK),
        (2e9, 1e9, [3600.0, 0.5, 3601.0], State.PROBLEM),
        (2e9, 1e9, [-90.0], State.PROBLEM),
        (2e9, 1e9, [0.0, 1.0, 86_400.0], State.OK),  # one server's clock is wrong, not ours
    ],
)
def test_clock(now: float, newest: float, ahead: list[float], state: State) -> None:
    assert web.check_clock(now, newest, ahead).state is state


def test_which_way_the_clock_is_off() -> None:
    assert "90 s behind" in web.check_clock(2e9, 1e9, [-90.0]).sentence


def test_where_files_begin_there_need_be_no_page() -> None:
    assert web.check_answer(Answer(Server("a", "http://a.test/", bare=True), 404)).state is State.OK
    assert web.check_answer(Answer(Server("a", "http://a.test/", bare=True), 503)).state is State.WARNING


def test_an_answer_needs_no_date() -> None:
    assert web.check_answer(Answer(Server("a", "http://a.test"), 200)).state is State.OK

from pathlib import Path

import pytest

from pipeline.doctor import names
from pipeline.doctor.findings import State
from pipeline.doctor.names import Answers
from pipeline.fetch.live.crawl import RESOLVER_THREADS
from tests.pipeline.doctor.name_server import serving

TEN = [f"host{number}.test" for number in range(10)]


def states(answers: Answers, concurrency: int = 128) -> list[State]:
    return [finding.state for finding in names.check(answers, concurrency)]


def told(answers: Answers, concurrency: int = 128) -> str:
    return " ".join(finding.sentence for finding in names.check(answers, concurrency))


def test_a_good_resolver_is_told_apart_by_what_it_says() -> None:
    with serving(lambda name: "192.0.2.1" if name != "host3.test" and "webtext" not in name else "") as look_up:
        answers = names.look(TEN, names.made_up(), look_up)
    assert (answers.asked, answers.found, answers.absent, answers.unanswered) == (10, 9, 1, 0)
    assert answers.invented == {}
    assert states(answers) == [State.OK]


def test_a_resolver_that_makes_up_addresses() -> None:
    with serving(lambda name: "192.0.2.66") as look_up:
        answers = names.look(TEN, names.made_up(), look_up)
    assert states(answers) == [State.OK, State.PROBLEM]
    assert "192.0.2.66" in told(answers)
    assert len(answers.invented) == 3


def test_a_resolver_that_loses_questions() -> None:
    with serving(lambda name: None if name in TEN[:2] else "192.0.2.1") as look_up:
        answers = names.look(TEN, [], look_up)
    assert answers.unanswered == 2
    assert states(answers) == [State.PROBLEM]
    assert "2 were not answered" in told(answers)


def test_nobody_answers_and_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "LONGEST_SECONDS", 0.1)
    with serving(lambda name: None) as look_up:
        answers = names.look(TEN, names.made_up(), look_up)
    assert answers.seconds < 0.3  # the look-ups themselves wait longer
    assert states(answers) == [State.PROBLEM]
    assert "no name server answers" in told(answers)


def test_a_resolver_without_a_way_to_the_net() -> None:
    with serving(lambda name: "") as look_up:
        answers = names.look(TEN, [], look_up)
    assert states(answers) == [State.PROBLEM]
    assert "none of 10 names" in told(answers)


@pytest.mark.parametrize(
    ("seconds", "concurrency", "state"), [(0.5, 128, State.OK), (10.0, 128, State.WARNING), (10.0, 32, State.OK)]
)
def test_names_a_second_against_requests_in_flight(seconds: float, concurrency: int, state: State) -> None:
    assert states(Answers(200, 180, 20, seconds), concurrency) == [state]


def test_few_names_do_not_make_a_resolver_slow() -> None:
    assert Answers(1, 1, 0, 0.1).rate == pytest.approx(RESOLVER_THREADS / 0.1)


def test_hosts_of_lists(tmp_path: Path) -> None:
    lines = [
        "http://A.test/1",
        "nonsense",
        "https://a.test:8443/2",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://b.test",
    ]
    (tmp_path / "urls.txt").write_text("\n".join(lines))
    (tmp_path / "more.txt").write_bytes(b"\xff\xfe\x00http://c.test/\n")
    assert names.listed([str(tmp_path / "urls.txt"), str(tmp_path / "more.txt"), "nowhere"]) == ["a.test", "b.test"]


def test_made_up_names_are_new_each_time() -> None:
    assert not set(names.made_up()) & set(names.made_up())

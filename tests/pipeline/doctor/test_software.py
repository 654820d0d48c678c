import pytest

from pipeline.doctor import software
from pipeline.doctor.findings import State
from pipeline.doctor.software import Library

LINES = [
    "base>=1",
    'one>=2.0; extra == "corpus"',
    'two<3,>=2.3; extra == "corpus"',
    'three>=1; extra == "model"',
    'old>=1; python_version < "3"',
]


def test_what_an_extra_needs_is_held_against_what_is_there() -> None:
    found = software.required(LINES, "corpus", {"base": "1.5", "one": "2.1rc1", "two": "3.1"}.get)
    assert [(each.name, each.will_do) for each in found] == [("base", True), ("one", True), ("two", False)]
    finding = software.check_corpus(found)
    assert finding.state is State.PROBLEM
    assert "two is 3.1 and must be <3,>=2.3" in finding.sentence


def test_a_corpus_needs_all_of_its_libraries_and_no_others() -> None:
    missing = [Library("aiohttp", ">=3", None), Library("numpy", ">=2", "2.3")]
    assert software.check_corpus(missing).state is State.PROBLEM
    assert "aiohttp is not there" in software.check_corpus(missing).sentence
    assert software.check_corpus(missing[1:]).state is State.OK
    assert software.check_model(missing).state is State.OK
    assert software.check_model([Library("torch", ">=2.13", "2.1")]).state is State.WARNING


@pytest.mark.parametrize(
    ("version", "state"), [("3.10.4", State.PROBLEM), ("3.11.7", State.OK), ("3.14.0rc1", State.OK)]
)
def test_python(version: str, state: State) -> None:
    assert software.check_python(version, ">=3.11").state is state


def test_these_tests_run_where_a_corpus_can_be_built() -> None:
    assert [finding.state for finding in software.examine()] == [State.OK] * 3
    assert software.installed_version("no-such-distribution") is None

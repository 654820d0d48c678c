"""A later release beside an earlier one: what was published once is not published again, and stays as it is."""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import SAMPLE, Webtext
from tests.integration.rows import rows_by_id
from tests.integration.shards import shards

UP_TO_2014 = "harvest.dumps=[samples/submissions/RS_2008*, samples/submissions/RS_2011*, samples/submissions/RS_2014*]"


@dataclasses.dataclass(frozen=True)
class Releases:
    """Two runs, the second `against` the release of the first; what the first one's files were before the second."""

    first: Path
    second: Path
    before: dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory, webtext: Webtext) -> Releases:
    folder = tmp_path_factory.mktemp("releases")
    first, second = folder / "up to [2014]", folder / "all"
    done = webtext(
        *SAMPLE, "--set", f"output={json.dumps(str(first))}", "--set", UP_TO_2014, "--set", "harvest.urls=[]"
    )
    assert done.returncode == 0, done.stderr
    before = files(first)
    done = webtext(*SAMPLE, "--set", f"output={second}", "--set", against(first / "corpus"))
    assert done.returncode == 0, done.stderr
    return Releases(first, second, before)


def against(*folders: Path) -> str:
    return f"dedup.against={json.dumps([str(folder) for folder in folders])}"


def files(run: Path) -> dict[str, tuple[int, str]]:
    """When each file of a run was written, and the sha256 of what is in it."""
    return {
        str(path.relative_to(run)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(run.rglob("*"))
        if path.is_file()
    }


def test_nothing_is_published_twice(releases: Releases) -> None:
    first, second = rows_by_id(releases.first / "corpus/data"), rows_by_id(releases.second / "corpus/data")
    assert len(first) > 20
    assert len(second) > 20
    assert not first.keys() & second.keys()
    assert not {row["text_sha256"] for row in first.values()} & {row["text_sha256"] for row in second.values()}


def test_the_two_releases_together_are_the_release_of_all(releases: Releases, sample_run: Path) -> None:
    """But for clusters that span both, in which the earlier release's document stays."""
    together = rows_by_id(releases.first / "corpus/data") | rows_by_id(releases.second / "corpus/data")
    at_once = rows_by_id(sample_run / "corpus/data")
    assert len(together) == len(at_once)
    others = rows_by_id(sample_run / "duplicates")
    assert {others[each]["keeper"] for each in together.keys() - at_once.keys()} == at_once.keys() - together.keys()


def test_copies_of_published_documents_fall_to_them(releases: Releases) -> None:
    published = rows_by_id(releases.first / "corpus/data")
    fallen = {
        each: row
        for each, row in rows_by_id(releases.second / "duplicates").items()
        if row["keeper_release"] == str(releases.first / "corpus")
    }
    assert {each: row["keeper"] for each, row in fallen.items() if each in published} == {
        each: each for each in published
    }
    new = [row for each, row in fallen.items() if each not in published]
    assert {"near_duplicate", "exact_duplicate"} <= {row["reason"] for row in new}
    for row in fallen.values():
        assert row["keeper_url"] == published[row["keeper"]]["url"]
    for row in new:
        assert 0.5 <= row["similarity"] <= 1


def test_the_ledger_names_the_release(releases: Releases) -> None:
    endings, release = rows_by_id(releases.second / "corpus/ledger"), releases.first / "corpus"
    for each, row in rows_by_id(releases.second / "duplicates").items():
        ending = endings[each]
        assert (ending["stage"], ending["outcome"], ending["reason"]) == ("duplicates", "dropped", row["reason"])
        assert (f" in {release}" in ending["detail"]) == bool(row["keeper_release"])
    assert endings.keys() == rows_by_id(releases.second / "links").keys()


def test_the_first_release_is_not_touched(releases: Releases) -> None:
    assert files(releases.first) == releases.before


def test_a_third_run_over_the_same_posts_publishes_nothing(
    tmp_path: Path, webtext: Webtext, releases: Releases
) -> None:
    third = tmp_path / "third"
    shutil.copytree(releases.second, third)
    both = against(releases.first / "corpus", releases.second / "corpus")
    done = webtext(*SAMPLE, "--set", f"output={third}", "--set", both)
    assert done.returncode == 0, done.stderr
    assert rows_by_id(third / "corpus/data") == {}
    assert {row["keeper_release"] for row in rows_by_id(third / "duplicates").values()} == {
        str(releases.first / "corpus"),
        str(releases.second / "corpus"),
    }


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (".", "is not a release .*name the corpus folder"),
        ("cor*", "is not a release .*name the corpus folder"),
        ("corpus", "this run's own release"),
    ],
)
def test_what_is_no_earlier_release_costs_one_sentence_at_once(
    tmp_path: Path, webtext: Webtext, sample_run: Path, folder: str, words: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(sample_run, run)
    done = webtext(*SAMPLE, "--set", f"output={run}", "--set", against(run / folder))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert f"dedup.against: {run / folder} " in done.stderr
    assert done.stderr.strip().endswith(".")
    assert re.search(words, done.stderr)
    assert shards(run) == shards(sample_run)

"""Which releases a month is compared with."""

import hashlib
import json
from pathlib import Path

import pytest
from webtext_airflow import releases
from webtext_airflow.releases import NotReadyError


def test_all_months_before_it_in_their_order() -> None:
    found = releases.earlier("gs://b/r/", "2012-11", "2013-02")
    assert found == [f"gs://b/r/{month}/corpus" for month in ("2012-11", "2012-12", "2013-01")]


def test_the_first_month_has_none_before_it() -> None:
    assert releases.earlier("r", "2013-05", "2013-05") == []


def test_what_is_missing_is_named_and_not_passed_over() -> None:
    found = releases.earlier("r", "2012-11", "2013-02")
    assert releases.unfinished(found, lambda release: "2012-12" not in release) == ["r/2012-12/corpus"]


@pytest.mark.parametrize("month", ["2013-5", "2013-00", "2013-13", "", "x2013-05"])
def test_what_is_no_month(month: str) -> None:
    with pytest.raises(NotReadyError, match="2013-05"):
        releases.earlier("r", "2011-01", month)


def test_a_month_before_the_first() -> None:
    with pytest.raises(NotReadyError, match="WEBTEXT_FIRST_MONTH"):
        releases.earlier("r", "2013-05", "2013-04")


def test_a_release_is_read_as_it_lies_there(tmp_path: Path) -> None:
    release = tmp_path / "2013-05" / "corpus"
    release.mkdir(parents=True)
    manifest = json.dumps({"counters": {"kept": 3, "train": 2, "ledger/corpus/kept/kept": 3}}).encode()
    (release / "manifest.json").write_bytes(manifest)
    with pytest.raises(NotReadyError, match="no finished release"):
        releases.read(str(release))
    (release / "_SUCCESS").touch()
    found = releases.read(str(release))
    assert found == (str(release), hashlib.sha256(manifest).hexdigest(), {"kept": 3, "train": 2})
    assert releases.earlier(str(tmp_path), "2013-05", "2013-06") == [str(release)]

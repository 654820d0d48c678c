"""The report: valid, self-contained, safe with hostile words, and there for every run."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import html5lib  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import Outcome, Reason, Stage
from pipeline.publish import charts, fidelity, report, survey, wording
from webtext.errors import UserError

Make = Callable[..., Path]
LIST = "1000 google\n500 nytimes\n300 bbc\n20068 \n5 gone\n"


def _checked(html: str) -> str:
    """The page, once it has been found to be valid HTML that loads nothing."""
    parser = html5lib.HTMLParser(strict=True)
    tree = parser.parse(html)
    names = {element.tag.rpartition("}")[2] for element in tree.iter() if isinstance(element.tag, str)}
    assert not names & {"script", "iframe", "img", "object", "embed", "video", "audio"}
    for element in tree.iter():
        for attribute, value in element.attrib.items():
            assert not str(attribute).startswith("on"), attribute
            if str(attribute) in ("src", "href"):
                assert value.startswith(("#", "data:")), value
    assert "url(" not in html
    assert "@import" not in html
    return html


def test_the_report_is_valid_and_loads_nothing(release_folder: Path, hostile: str) -> None:
    html = _checked((release_folder / "report.html").read_text("utf-8"))
    assert hostile not in html
    assert "&lt;script&gt;" in html
    for words in ("150 documents", "not in archive", "near duplicate", "nytimes.com", "<mark>", "sha256"):
        assert words in html


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here")
def test_a_browser_has_nothing_to_complain_about(release_folder: Path, tmp_path: Path) -> None:
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    quiet = "--disable-component-update --disable-sync --enable-logging=stderr --host-resolver-rules=MAP*~NOTFOUND"
    command = ["chromium", *options.split(), *quiet.split(), f"--user-data-dir={tmp_path}", "--dump-dom"]
    page = (release_folder / "report.html").as_uri()
    outcome = subprocess.run([*command, page], capture_output=True, text=True, timeout=120, check=True)
    assert "150 documents</h1>" in outcome.stdout
    assert "CONSOLE" not in outcome.stderr


def test_equal_runs_give_equal_reports(release_folder: Path, tmp_path: Path, make_run: Make, publish: Make) -> None:
    again = publish(make_run(tmp_path / "run"))
    assert (again / "report.html").read_bytes() == (release_folder / "report.html").read_bytes()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tiny_runs_have_a_report(tmp_path: Path, make_run: Make, publish: Make, count: int) -> None:
    _checked((publish(make_run(tmp_path / "run", count=count)) / "report.html").read_text("utf-8"))


@pytest.mark.parametrize(
    "missing",
    [
        ["corpus"],
        ["corpus", "duplicates"],
        ["corpus", "duplicates", "documents"],
        ["corpus", "duplicates", "documents", "pages"],
        ["corpus", "duplicates", "documents", "pages", "links"],
    ],
)
def test_an_unfinished_run_has_a_report(tmp_path: Path, make_run: Make, missing: list[str]) -> None:
    run = make_run(tmp_path / "run", count=120)
    for folder in missing:
        shutil.rmtree(run / folder, ignore_errors=True)
    path = Path(report.rebuild_report(str(run)))
    html = _checked(path.read_text("utf-8"))
    assert path == run / "corpus/report.html"
    assert "A run under way" in html
    if "links" not in missing:
        assert "have no ending yet" in html


def test_hostile_words_everywhere_stay_words(tmp_path: Path, make_run: Make, publish: Make) -> None:
    nasty = "\x00\x1b[31m\ufffe\u202e<script>alert(1)</script>]]>&#0;{{ 7*7 }}"
    run = make_run(tmp_path / "run", count=60)
    manifest = json.loads((run / "links/manifest.json").read_bytes())
    manifest["counters"]["warnings"] = [nasty]
    manifest["counters"]["sources"] = {nasty: {"lines": 3, "reasons": {}, "score_average": None}}
    manifest["config"] = {"harvest": {"blocked_domains": [nasty]}}
    (run / "links/manifest.json").write_text(json.dumps(manifest))
    html = _checked((publish(run) / "report.html").read_text("utf-8"))
    assert "{{ 7*7 }}" in html
    assert "\u202e" not in html


def test_a_rebuilt_report_is_in_the_manifest(tmp_path: Path, make_run: Make, publish: Make) -> None:
    run = make_run(tmp_path / "run", count=60)
    release = publish(run)
    before, manifest = (release / "report.html").read_bytes(), (release / "manifest.json").read_bytes()
    report.rebuild_report(str(run))
    assert (release / "report.html").read_bytes() == before
    assert (release / "manifest.json").read_bytes() == manifest
    (tmp_path / "domains.txt").write_text(LIST)
    report.rebuild_report(str(run), str(tmp_path / "domains.txt"))
    assert (release / "report.html").read_bytes() != before
    entries = {entry["path"]: entry for entry in json.loads((release / "manifest.json").read_bytes())["outputs"]}
    assert entries["report.html"]["bytes"] == (release / "report.html").stat().st_size
    _checked((release / "report.html").read_text("utf-8"))


def test_a_rebuilt_report_compares_with_the_same_list(tmp_path: Path, make_run: Make, publish: Make) -> None:
    (tmp_path / "domains.txt").write_text(LIST)
    run = make_run(tmp_path / "run", count=60)
    release = publish(run, reference_domains=str(tmp_path / "domains.txt"))
    before = (release / "report.html").read_bytes()
    assert b"of its top 10" in before
    report.rebuild_report(str(run))
    assert (release / "report.html").read_bytes() == before
    (tmp_path / "domains.txt").unlink()
    report.rebuild_report(str(run))
    assert b"of its top 10" not in (release / "report.html").read_bytes()


def test_openais_list_is_compared_by_label() -> None:
    reference = fidelity.parse_reference(LIST.splitlines(), "domains.txt")
    assert [name for name, _ in reference] == ["google", "nytimes", "bbc", "gone"]
    found = fidelity.compare(
        reference, {"bbc.co.uk": 2, "bbc.com": 1, "nytimes.com": 1, "other.org": 4}, {"bbc.com": 1}
    )
    assert [(entry.links, entry.documents) for entry in found.compared] == [(0, 0), (1, 0), (3, 1), (0, 0)]
    assert found.present(2) == 0.5
    assert found.present(1000) == 0.5
    assert found.link_share == 0.5
    assert found.document_share == 1
    assert found.present_by_links == pytest.approx(800 / 1805)


def test_the_real_list_is_read(shared_data: Path) -> None:
    path = shared_data / "webtext/domains.txt"
    reference = fidelity.parse_reference(path.read_text("utf-8").splitlines(), str(path))
    assert len(reference) == 999
    assert reference[0] == ("google", 1_542_261)


def test_another_file_is_no_domain_list() -> None:
    with pytest.raises(UserError, match="line 1"):
        fidelity.parse_reference(["google 12"], "domains.txt")


@given(st.lists(st.integers(-(10**10), 10**10), max_size=50))
def test_each_number_falls_into_one_bin(numbers: list[int]) -> None:
    found = survey.binned(np.array(numbers, dtype=np.int64))
    assert found.total() == len(numbers)
    for number in numbers:
        assert found[max((edge for edge in survey.EDGES if edge <= number), default=survey.EDGES[0])] > 0


def test_bins_ascend() -> None:
    assert list(survey.EDGES) == sorted(set(survey.EDGES))


@given(st.lists(st.tuples(st.text(), st.integers(0, 10**12))), st.text())
def test_columns_are_valid_whatever_they_show(values: list[tuple[str, int]], meaning: str) -> None:
    words = [(wording.clean(label), count) for label, count in values]
    svg = str(charts.columns(words, wording.clean(meaning)))
    html5lib.HTMLParser(strict=True).parse(f"<!DOCTYPE html><title>x</title>{svg}")
    assert len(re.findall("<title>", svg)) == len(values)


@given(st.text())
def test_clean_text_is_as_long_and_has_no_control(text: str) -> None:
    cleaned = wording.clean(text)
    assert len(cleaned) == len(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", cleaned)


def test_numbers_are_short_and_readable() -> None:
    assert [wording.short(number) for number in (0, 950, 12_345, 4_560_000, 2e9)] == [
        "0",
        "950",
        "12.3k",
        "4.56M",
        "2B",
    ]
    assert [wording.percent(share) for share in (None, 0, 0.0001, 0.1234, 1)] == [
        "–",
        "0.0 %",
        "<0.1 %",
        "12.3 %",
        "100.0 %",
    ]
    assert [wording.size(size) for size in (999, 1_500, 2_500_000)] == ["999 B", "1.5 kB", "2.5 MB"]


def test_the_funnel_never_widens(release_folder: Path) -> None:
    counts = [step.count for step in survey.survey(str(release_folder.parent)).funnel]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 150


def test_one_giant_cluster_is_worth_a_look(tmp_path: Path, make_run: Make, publish: Make) -> None:
    fell = (Stage.DUPLICATES, Outcome.DROPPED, Reason.NEAR_DUPLICATE)
    kept = (Stage.CORPUS, Outcome.KEPT, Reason.KEPT)
    run = make_run(tmp_path / "run", count=120, endings=lambda number: fell if number % 3 == 1 else kept)
    publish(run)
    assert any("cluster of duplicates" in warning for warning in report.own_warnings(survey.survey(str(run))))

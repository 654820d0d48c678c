"""The command from outside: what it writes, prints and returns, and what it says to bad input."""

import json
import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline import ledger, schemas, urls
from samples import comparison
from tests.conftest import CHECKOUT
from tests.integration.conftest import SAMPLE, WEBTEXT, Webtext, environment
from tests.integration.rows import rows
from tests.integration.shards import shards


def test_the_run_directory_is_what_the_design_promises(sample_run: Path) -> None:
    for stage in ("links", "pages", "documents", "duplicates", "corpus"):
        assert (sample_run / stage / "_SUCCESS").exists(), stage
        manifest = json.loads((sample_run / stage / "manifest.json").read_text())
        assert {"inputs", "outputs", "config", "software", "counters"} <= set(manifest), stage
        for record in manifest["outputs"]:
            path = sample_run / stage / record["path"]
            assert path.stat().st_size == record["bytes"], path
            if path.suffix == ".parquet":
                assert pq.read_metadata(path).num_rows == record["rows"], path
    assert pq.read_schema(next(sample_run.glob("links/part-*.parquet"))).equals(schemas.LINKS)
    assert pq.read_schema(next(sample_run.glob("pages/index/part-*.parquet"))).equals(schemas.PAGES)
    assert pq.read_schema(next(sample_run.glob("documents/part-*.parquet"))).equals(schemas.DOCUMENTS)
    assert pq.read_schema(next(sample_run.glob("duplicates/part-*.parquet"))).equals(schemas.DUPLICATES)
    assert pq.read_schema(next(sample_run.glob("corpus/ledger/part-*.parquet"))).equals(schemas.LEDGER)
    for name in ("README.md", "report.html"):
        assert (sample_run / "corpus" / name).stat().st_size > 1000


def test_the_books_balance(sample_run: Path) -> None:
    links, endings = rows(sample_run / "links"), rows(sample_run / "corpus" / "ledger")
    assert sorted(str(row["id"]) for row in links) == sorted(str(row["id"]) for row in endings)
    kept = [row for row in endings if row["outcome"] == "kept"]
    assert {row["id"] for row in rows(sample_run / "corpus" / "data")} == {row["id"] for row in kept}
    assert {row["id"] for row in rows(sample_run / "corpus" / "signatures")} == {row["id"] for row in kept}
    assert {str(row["reason"]) for row in endings} <= {reason.value for reason in ledger.Reason}


def test_every_link_of_the_sample_ends_as_it_was_made_to(sample_run: Path) -> None:
    expected = yaml.safe_load((CHECKOUT / "samples" / "expected.yaml").read_text())
    endings = {
        str(row["id"]): (str(row["outcome"]), str(row["reason"])) for row in rows(sample_run / "corpus" / "ledger")
    }
    texts = {str(row["id"]): str(row["text"]) for row in rows(sample_run / "corpus" / "data")}

    def link_id(url: str) -> str:
        return urls.link_id(urls.normalise(url) or "")

    assert comparison.differences(expected, endings, texts, link_id) == []
    counted = json.loads((sample_run / "links" / "manifest.json").read_text())["counters"]
    assert counted["submissions"] == sum(counted["submissions_by_reason"].values())


def test_the_sample_shows_every_reason_that_archives_can_show(sample_run: Path) -> None:
    shown = {str(row["reason"]) for row in rows(sample_run / "corpus" / "ledger")}
    only_live = {"robots", "robots_unreachable", "host_budget", "host_failing", "crawl_delay", "forbidden_address"}
    only_live |= {"dns_error", "tls_error", "connection_error", "bad_response", "timeout"}
    only_hostile = {"extraction_timeout", "extraction_crash"}
    assert {reason.value for reason in ledger.Reason} - only_live - only_hostile <= shown


def test_stdout_carries_the_result_and_stderr_the_prose(tmp_path: Path, webtext: Webtext, sample_run: Path) -> None:
    done = webtext(*SAMPLE, "--set", f"output={sample_run}")
    assert done.returncode == 0
    assert done.stdout == f"{sample_run}/corpus\n"
    assert "report.html" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_finished_run_is_left_alone(webtext: Webtext, sample_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample_run.rglob("*") if path.is_file()}
    assert webtext(*SAMPLE, "--set", f"output={sample_run}").returncode == 0
    after = {path: path.stat().st_mtime_ns for path in sample_run.rglob("*") if path.is_file()}
    assert after == before


def test_a_changed_config_redoes_what_depends_on_it_and_nothing_else(
    tmp_path: Path, webtext: Webtext, sample_run: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(sample_run, run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    done = webtext(*SAMPLE, "--set", f"output={run}", "--set", "dedup.threshold=0.9")
    assert done.returncode == 0, done.stderr
    redone = {
        path.relative_to(run).parts[0] for path in run.rglob("*.parquet") if path.stat().st_mtime_ns != before.get(path)
    }
    assert redone == {"duplicates", "corpus"}
    assert shards(run) != shards(sample_run)


def test_a_run_may_end_after_a_stage_and_go_on_later(tmp_path: Path, webtext: Webtext, sample_run: Path) -> None:
    run = tmp_path / "run"
    first = webtext(*SAMPLE, "--set", f"output={run}", "--until", "pages")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{run}/pages\n"
    finished = {stage: (run / stage / "_SUCCESS").stat().st_mtime_ns for stage in ("links", "pages")}
    assert {path.parent.name for path in run.glob("*/_SUCCESS")} == set(finished)

    planned = webtext(*SAMPLE, "--set", f"output={run}", "--until", "documents", "--dry-run")
    assert [line.split()[:2] for line in planned.stdout.splitlines()[2:]] == [
        ["links", "is"],
        ["pages", "is"],
        ["documents", "would"],
    ]

    rest = webtext(*SAMPLE, "--set", f"output={run}")
    assert rest.returncode == 0, rest.stderr
    assert {stage: (run / stage / "_SUCCESS").stat().st_mtime_ns for stage in finished} == finished
    assert shards(run) == shards(sample_run)


def test_json_logs_are_one_object_a_line(tmp_path: Path, webtext: Webtext) -> None:
    done = webtext(*SAMPLE, "--set", f"output={tmp_path}/run", "--log-format", "json")
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert all({"time", "level", "message"} <= set(entry) for entry in entries)


def test_a_dry_run_tells_the_plan_and_writes_nothing(tmp_path: Path, webtext: Webtext) -> None:
    done = webtext(*SAMPLE, "--set", f"output={tmp_path}/run", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "links" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "harvest.min_carma=3"], "did you mean min_karma"),
        (["--set", "harvest.dumps=[samples/none*.zst]"], r"harvest\.dumps.*none\*\.zst"),
        (["--set", "fetch.archives=[samples/none*.warc]"], r"fetch\.archives.*none\*\.warc"),
        (["--set", "harvest.dumps=[]", "--set", "harvest.urls=[]"], r"harvest\.dumps.*harvest\.urls"),
        (["--set", "dedup.against=[nowhere]"], r"dedup\.against.*nowhere"),
        (["--set", "output=LICENSE/run"], "cannot write LICENSE"),
        (["--set", "extract.memory_bytes=10_000_000"], r"extract\.memory_bytes.*268435456"),
        (["--sett", "harvest.min_karma=5"], "--sett"),
        (["samples"], "takes no 'samples'"),
    ],
)
def test_bad_input_costs_one_sentence_and_exit_code_2(
    tmp_path: Path, webtext: Webtext, arguments: list[str], words: str
) -> None:
    done = webtext(*SAMPLE, "--set", f"output={tmp_path}/run", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert re.search(words, done.stderr)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3


@pytest.mark.parametrize(("largest_file", "words"), [(5_000, "cannot write"), (60_000, "a child process cannot work")])
def test_a_full_disk_is_a_sentence_and_the_same_command_goes_on_later(
    tmp_path: Path, webtext: Webtext, sample_run: Path, largest_file: int, words: str
) -> None:
    """No file may grow past so many bytes: what a full disk does, to the run or to a child's temporary files."""
    run = tmp_path / "run"
    full = subprocess.run(
        [WEBTEXT, *SAMPLE, "--set", f"output={run}"],
        cwd=CHECKOUT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file)),
    )
    assert full.returncode == 2, full.stderr
    assert words in full.stderr
    assert "Traceback" not in full.stderr
    assert not list(run.rglob("_temporary.*"))
    assert webtext(*SAMPLE, "--set", f"output={run}").returncode == 0
    assert shards(run) == shards(sample_run)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_may_not_be_written_is_a_sentence(tmp_path: Path, webtext: Webtext) -> None:
    tmp_path.chmod(0o500)
    done = webtext(*SAMPLE, "--set", f"output={tmp_path}/run")
    assert done.returncode == 2
    assert "cannot write" in done.stderr

"""Everything far away: inputs and output on an S3-compatible server and in memory, with the bytes of a local run."""

import contextlib
import dataclasses
import hashlib
import io
import json
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3fs import S3FileSystem

from tests.conftest import CHECKOUT
from tests.integration.conftest import begun_with
from tests.integration.s3 import BUCKET, Server
from tests.integration.shards import shards
from webtext import command

SAMPLES = ("archives", "submissions", "urls")
FOLDER = f"s3://{BUCKET}/a web of samples, ünïcode"
RUN = "runs/été 2017"
CORPUS = (
    "corpus",
    *("--set", f"output=s3://{BUCKET}/{RUN}", "--set", "harvest.blocked_subreddits=[RumourMill]"),
    *("--set", f'harvest.dumps=["{FOLDER}/submissions/RS_*"]', "--set", f'harvest.urls=["{FOLDER}/urls/*.txt"]'),
    *("--set", f'fetch.archives=["{FOLDER}/archives/*"]', "--set", "extract.workers=1"),
)
OBJECTS_BEFORE_DOCUMENTS = 29
"""Objects that a run on the sample writes until the first partition's documents are there."""


@dataclasses.dataclass(frozen=True)
class Said:
    """What a command in this process answered."""

    code: int
    stdout: str
    stderr: str


@dataclasses.dataclass(frozen=True)
class History:
    """How a run on the server came to its end: killed in an upload, begun again until the server died, and once more.

    The keys that were there in between.
    """

    server: Server
    after_kill: list[str]
    cut_off: Said
    after_cut: list[str]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that has the sample's files."""
    server = Server()
    for folder in SAMPLES:
        for path in (CHECKOUT / "samples" / folder).iterdir():
            server.put(f"{FOLDER.removeprefix(f's3://{BUCKET}/')}/{folder}/{path.name}", path.read_bytes())
    yield server
    server.close()


@pytest.fixture(scope="module")
def history(server: Server) -> History:
    server.die(after=OBJECTS_BEFORE_DOCUMENTS, hanging=True)
    with begun_with(*CORPUS, variables=server.variables) as process:
        assert server.dying.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.revive()
    after_kill = server.keys(RUN)
    server.die(after=5)
    cut_off = said(server, *CORPUS)
    server.revive()
    after_cut = server.keys(RUN)
    done = said(server, *CORPUS)
    assert done.code == 0, done.stderr
    assert done.stdout == f"s3://{BUCKET}/{RUN}/corpus\n"
    return History(server, after_kill, cut_off, after_cut)


def test_a_run_that_was_killed_and_cut_off_ends_with_the_local_bytes(history: History, sample_run: Path) -> None:
    assert remote_shards(history.server, RUN) == shards(sample_run)
    assert not [key for key in history.server.keys(RUN) if "_temporary." in key]


def test_what_is_there_in_between_is_not_marked_as_whole(history: History) -> None:
    for keys in (history.after_kill, history.after_cut):
        assert f"{RUN}/pages/_SUCCESS" in keys
        assert f"{RUN}/documents/_fingerprint.json" in keys
        assert f"{RUN}/documents/_SUCCESS" not in keys
    assert len(history.after_cut) > len(history.after_kill)


def test_a_server_that_dies_in_an_upload_is_a_sentence(history: History) -> None:
    assert history.cut_off.code == 2
    assert history.cut_off.stdout == ""
    said = rf"error: cannot (read|write) s3://{BUCKET}/.*: .*; mend the path, .* run the same command again\."
    assert re.fullmatch(said, history.cut_off.stderr.splitlines()[-1])
    assert "Traceback" not in history.cut_off.stderr


def test_a_release_on_s3_is_read_by_who_looks_and_who_learns(history: History) -> None:
    run, server = f"s3://{BUCKET}/{RUN}", history.server
    before = server.get(f"{RUN}/corpus/report.html")
    assert said(server, "report", run).code == 0
    assert server.get(f"{RUN}/corpus/report.html") == before
    assert "dropped in documents: low_quality" in said(server, "inspect", run, "--reason", "low_quality").stdout
    assert said(server, "tokenizer", "--set", f"output={run}", "--set", "vocabulary=300").code == 0
    assert said(server, "tokens", "--set", f"output={run}").code == 0
    manifest = json.loads(server.get(f"{RUN}/tokens/manifest.json"))
    assert {entry["split"] for entry in manifest["files"]} == {"train", "validation"}
    for entry in manifest["files"]:
        assert hashlib.sha256(server.get(f"{RUN}/tokens/{entry['path']}")).hexdigest() == entry["sha256"]


def test_lists_references_and_an_earlier_release_are_read_from_s3_and_a_run_is_written_to_memory(
    history: History,
) -> None:
    server = history.server
    for key in server.keys(f"{RUN}/corpus/"):
        if "/signatures/" not in key or key.endswith("/part-00000.parquet"):  # a quarter of the release
            server.put(key.replace(RUN, "earlier"), server.get(key))
    earlier = documents(server.get("earlier/corpus/signatures/part-00000.parquet")).num_rows
    texts = documents(server.get(f"{RUN}/corpus/data/train-00000-of-00001.parquet"))
    mirrored, unwanted = texts.slice(texts.num_rows - 2).to_pylist()
    server.put("lists/references.jsonl", json.dumps({"text": mirrored["text"]}).encode())
    server.put("lists/takedown.txt", unwanted["url"].encode())
    memory = fsspec.filesystem("memory")
    try:
        done = said(
            server,
            *CORPUS,
            *("--set", "output=memory://run", "--set", f'dedup.against=["s3://{BUCKET}/earlier/corpus"]'),
            *("--set", f'dedup.references=["s3://{BUCKET}/lists/*.jsonl"]'),
            *("--set", f"publish.takedown=s3://{BUCKET}/lists/takedown.txt"),
        )
        assert done.code == 0, done.stderr
        ledger = pa.concat_tables(documents(memory.cat_file(path)) for path in memory.glob("/run/corpus/ledger/*"))
    finally:
        memory.rm("/run", recursive=True)
    assert done.stdout == "memory://run/corpus\n"
    endings = {row["id"]: row["reason"] for row in ledger.to_pylist()}
    assert endings[mirrored["id"]] == "wikipedia_mirror"
    assert endings[unwanted["id"]] == "opt_out"
    assert Counter(endings.values())["exact_duplicate"] >= earlier > 10


def documents(content: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(content))


def said(server: Server, *arguments: str) -> Said:
    """Call a command in this process, which finds the server."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as changed,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        for name, value in server.variables.items():
            changed.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        try:
            code = command.main(arguments)
        finally:
            S3FileSystem.clear_instance_cache()
    return Said(code, stdout.getvalue(), stderr.getvalue())


def remote_shards(server: Server, run: str) -> dict[str, str]:
    release = f"{run}/corpus/"
    keys = [key for folder in ("data", "ledger", "signatures") for key in server.keys(f"{release}{folder}/")]
    return {key.removeprefix(release): hashlib.sha256(server.get(key)).hexdigest() for key in keys}

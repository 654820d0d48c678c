"""Files far away: whole or absent on file systems of each kind, and failures that say what to do."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.fs
import pytest
import requests
from fsspec.implementations.arrow import ArrowFSWrapper
from s3fs import S3FileSystem

from tests.integration.s3 import BUCKET, Server
from webtext import filesystems, parquet, stages, storage
from webtext.errors import UserError

LARGE = b"0123456789" * 100_000


class Renaming(ArrowFSWrapper):
    """The wrapper under which fsspec has HDFS, around a local file system: what is written shows before it is whole."""

    protocol = "renaming"

    def __init__(self, **options: Any) -> None:
        super().__init__(pa.fs.LocalFileSystem(), **options)


@pytest.fixture
def renaming(tmp_path: Path) -> Iterator[str]:
    fsspec.register_implementation("renaming", Renaming, clobber=True)
    (tmp_path / "store").mkdir()
    yield f"renaming://{tmp_path}/store"
    Renaming.clear_instance_cache()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    yield f"s3://{BUCKET}/{tmp_path.name}"
    S3FileSystem.clear_instance_cache()


@pytest.fixture(params=["renaming", "s3"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.mark.parametrize("name", ["part", "below/it is ünïcode", "a+b=c&d%20e", "plus[1]"])
def test_files_of_any_name_come_back(store: str, name: str) -> None:
    record = storage.write_bytes(store, name, b"whole")
    with storage.open_atomic(f"{store}/{name}.streamed") as file:
        file.write(LARGE)
    assert storage.read_bytes(f"{store}/{name}") == b"whole"
    assert storage.read_range(f"{store}/{name}.streamed", 999_995, 100) == LARGE[-5:]
    assert storage.size(f"{store}/{name}") == record.bytes == 5
    folder, _, last = f"{store}/{name}".rpartition("/")
    assert f"{folder}/{last}" in storage.list_files(folder, "*")
    storage.remove(f"{store}/{name}")
    assert not storage.exists(f"{store}/{name}")
    storage.remove(f"{store}/{name}")


def test_a_name_is_no_pattern(store: str) -> None:
    for name in ("[12]/part", "1/part", "2/part", "*/part"):
        storage.write_bytes(store, name, b"")
    storage.remove(f"{store}/[12]")
    storage.remove(f"{store}/*")
    assert storage.list_files(store, "*") == [f"{store}/1", f"{store}/2"]
    storage.remove(f"{store}/1")
    assert storage.list_files(store, "*") == [f"{store}/2"]


def test_what_fails_leaves_nothing_and_what_was_there(store: str) -> None:
    storage.write_bytes(store, "old", b"old")
    for name in ("old", "new"):
        with pytest.raises(RuntimeError), storage.open_atomic(f"{store}/{name}") as file:
            file.write(LARGE)
            raise RuntimeError
    assert storage.list_files(store, "*") == [f"{store}/old"]
    assert storage.read_bytes(f"{store}/old") == b"old"


def test_many_threads_write_at_a_time_and_one_fails(store: str) -> None:
    def write(number: int) -> None:
        with storage.open_atomic(f"{store}/many/{number}") as file:
            file.write(LARGE)
            if number == 7:
                raise RuntimeError

    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(write, number) for number in range(24)]
    assert [number for number, each in enumerate(done) if each.exception()] == [7]
    assert len(storage.list_files(f"{store}/many", "*")) == 23
    assert all(storage.size(path) == len(LARGE) for path in storage.list_files(f"{store}/many", "*"))


def test_an_upload_that_fails_shows_nothing_even_where_uploads_show(renaming: str) -> None:
    store = Path(renaming.removeprefix("renaming://"))
    (store / "taken").mkdir()
    (store / "taken" / "inside").touch()
    with pytest.raises(UserError, match=r"cannot write renaming://.*/taken: "):
        storage.write_bytes(renaming, "taken", LARGE)
    assert [path.name for path in store.iterdir()] == ["taken"]


def test_what_another_process_writes_is_seen(s3: str, server: Server) -> None:
    assert storage.list_files(s3 + "/shared", "*") == []
    storage.write_bytes(s3, "shared/own", b"")
    assert not storage.exists(f"{s3}/shared/theirs")
    server.put(f"{s3.removeprefix(f's3://{BUCKET}/')}/shared/theirs", b"from a worker")
    assert storage.list_files(s3 + "/shared", "*") == [f"{s3}/shared/own", f"{s3}/shared/theirs"]
    assert storage.exists(f"{s3}/shared/theirs")


def test_of_parquet_no_more_is_read_than_is_wanted(s3: str, server: Server) -> None:
    rows = range(4096)
    table = pa.table({"id": [f"{row:032x}" for row in rows], "text": [os.urandom(500).hex() for _ in rows]})
    record = parquet.write(s3, "part", table, rows_per_group=512)
    before = server.sent
    assert parquet.read(f"{s3}/part", ["id"])["id"].equals(table["id"])
    assert 0 < server.sent - before < record.bytes / 10
    before = server.sent
    with parquet.opened(f"{s3}/part") as file:
        assert file.read_row_group(3).equals(table.slice(3 * 512, 512))
    assert 0 < server.sent - before < record.bytes / 4


def test_an_object_that_stands_for_a_folder_is_no_file(s3: str, server: Server) -> None:
    server.put("dumps/", b"")
    server.put("dumps/RS_2011-01.zst", b"x")
    assert storage.expand([f"s3://{BUCKET}/dumps/*"], "harvest.dumps") == [f"s3://{BUCKET}/dumps/RS_2011-01.zst"]
    assert storage.list_files(f"s3://{BUCKET}/dumps", "*") == [f"s3://{BUCKET}/dumps/RS_2011-01.zst"]


def test_an_input_is_told_by_its_content_where_the_store_knows_it(s3: str, server: Server) -> None:
    path = f"s3://{BUCKET}/inputs/dump"
    found = []
    for content in (b"one", b"one", b"two"):
        server.put("inputs/dump", content)
        found.append(stages.examine([path], s3, remember=False)[0].sha256)
    assert found[0] == found[1] != found[2]


def test_a_bucket_that_is_not_there_is_a_sentence(s3: str) -> None:
    with pytest.raises(UserError, match=r"cannot write s3://nowhere/run/part: The specified bucket does not exist; "):
        storage.write_bytes("s3://nowhere/run", "part", b"")
    assert not storage.exists("s3://nowhere/run")
    assert storage.list_files("s3://nowhere/run", "*") == []


def test_wrong_credentials_are_a_sentence(s3: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write_bytes(s3, "file", b"content")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    S3FileSystem.clear_instance_cache()
    requests.post(f"{server.address}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        with pytest.raises(UserError, match=r"cannot read s3://bucket/.*/file: .*; mend the path, the credentials"):
            storage.read_bytes(f"{s3}/file")
        with pytest.raises(UserError, match=r"cannot write s3://bucket/.*/new: "):
            storage.write_bytes(s3, "new", b"content")
    finally:
        requests.post(f"{server.address}/moto-api/reset-auth", data=b"inf", timeout=10)


def test_no_credentials_are_a_sentence(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    S3FileSystem.clear_instance_cache()
    with pytest.raises(UserError, match=r"Unable to locate credentials; mend the path, the credentials"):
        storage.exists(f"{s3}/file")


@pytest.mark.parametrize("path", ["nosuch://bucket/run", "abfs://container/run"])
def test_a_scheme_that_nothing_reads_is_a_sentence(path: str) -> None:
    with pytest.raises(UserError, match=rf"cannot reach {re.escape(path)}: .+; (correct|pip install)"):
        storage.exists(path)


def test_only_s3fs_is_missing_is_a_sentence() -> None:
    script = "import sys; sys.modules['s3fs'] = None; from webtext import storage; storage.exists('s3://b/run')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "webtext.errors.UserError: cannot reach s3://b/run: Install s3fs to access S3; pip install 'webtext[remote]' "
        "brings what s3:// and gs:// need."
    )


def test_only_local_paths_where_only_they_will_do() -> None:
    filesystems.require_local("runs/train", "output")
    with pytest.raises(UserError, match=r"output: s3://b/train is not on this machine; copy it here"):
        filesystems.require_local("s3://b/train", "output")


def test_a_full_temporary_folder_is_named(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm" if os.path.isdir("/dev/shm") else None)  # noqa: PTH112
    with pytest.raises(UserError, match=r"is laid in .* before it is sent, which is full; .* TMPDIR"):  # noqa: SIM117
        with storage.open_atomic(f"{s3}/file"):
            raise OSError(28, os.strerror(28))

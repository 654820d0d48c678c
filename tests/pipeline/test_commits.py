"""A partition is finished when its record says so and its files are there, and not before."""

from pathlib import Path

import pytest

from pipeline.commits import Commit, commit_name, read_commit, write_commit
from webtext import storage


@pytest.fixture
def commit(tmp_path: Path) -> Commit:
    files = (
        storage.write_bytes(str(tmp_path), "part-00007.parquet", b"rows", rows=2),
        storage.write_bytes(str(tmp_path), "_ledger/part-00007.parquet", b""),
    )
    made = Commit(7, "key", files, {"kept": 2})
    write_commit(str(tmp_path), made)
    return made


def test_what_was_written_is_read(commit: Commit, tmp_path: Path) -> None:
    assert read_commit(str(tmp_path), 7, "key") == commit


@pytest.mark.parametrize(("partition", "key"), [(7, "other"), (8, "key")])
def test_another_key_or_partition_is_not_finished(commit: Commit, tmp_path: Path, partition: int, key: str) -> None:
    assert read_commit(str(tmp_path), partition, key) is None


def test_a_record_under_another_partitions_name_does_not_count(commit: Commit, tmp_path: Path) -> None:
    (tmp_path / commit_name(7)).rename(tmp_path / commit_name(8))
    assert read_commit(str(tmp_path), 8, "key") is None


@pytest.mark.parametrize("name", ["part-00007.parquet", "_ledger/part-00007.parquet"])
def test_a_file_that_is_missing_or_of_another_size_undoes_it(commit: Commit, tmp_path: Path, name: str) -> None:
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content + b"x")
    assert read_commit(str(tmp_path), 7, "key") is None
    (tmp_path / name).unlink()
    assert read_commit(str(tmp_path), 7, "key") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'{"partition": 7}',
        b'{"partition": 7, "key": "key", "files": [{"a": 1}], "counters": {}}',
        b"\xff",
    ],
)
def test_a_record_that_is_not_one_does_not_count(commit: Commit, tmp_path: Path, content: bytes) -> None:
    (tmp_path / commit_name(7)).write_bytes(content)
    assert read_commit(str(tmp_path), 7, "key") is None


def test_equal_commits_give_equal_bytes(tmp_path: Path) -> None:
    for folder, counters in (("a", {"kept": 1, "short": 2}), ("b", {"short": 2, "kept": 1})):
        write_commit(str(tmp_path / folder), Commit(0, "key", (), counters))
    assert (tmp_path / "a" / commit_name(0)).read_bytes() == (tmp_path / "b" / commit_name(0)).read_bytes()


def test_remote_folders_work_too(tmp_path: Path) -> None:
    folder = "memory://commits/documents"
    made = Commit(0, "key", (storage.write_bytes(folder, "part-00000.parquet", b"rows"),), {})
    write_commit(folder, made)
    assert read_commit(folder, 0, "key") == made
    storage.remove(storage.join(folder, "part-00000.parquet"))
    assert read_commit(folder, 0, "key") is None

"""Files that are whole or absent, and globs that find something or say so."""

import errno
import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webtext import parquet, storage
from webtext.errors import UserError

TABLE = pa.table({"id": [f"{i:032x}" for i in range(10_000)], "n": range(10_000)})


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "below" / "file"
    with pytest.raises(RuntimeError, match="half way"), storage.open_atomic(str(target)) as file:
        file.write(b"half")
        assert not target.exists()
        raise RuntimeError("half way")
    assert list(target.parent.iterdir()) == []
    storage.write_bytes(str(tmp_path), "below/file", b"whole")
    assert [path.name for path in target.parent.iterdir()] == ["file"]
    assert target.read_bytes() == b"whole"


def test_what_is_replaced_stays_whole_until_it_is(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path), "file", b"old")
    with pytest.raises(RuntimeError), storage.open_atomic(str(tmp_path / "file")) as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "file").read_bytes() == b"old"


def test_remote_files_are_whole_or_absent_too() -> None:
    memory = fsspec.filesystem("memory")
    with pytest.raises(RuntimeError), storage.open_atomic("memory://run/file") as file:
        file.write(b"half")
        raise RuntimeError
    assert not memory.exists("/run/file")
    record = storage.write_bytes("memory://run", "file", b"whole")
    assert memory.cat_file("/run/file") == b"whole"
    assert record.bytes == 5
    parquet.write("memory://run", "part-00000.parquet", TABLE)
    assert parquet.list_parts("memory://run") == ["memory://run/part-00000.parquet"]
    assert parquet.read("memory://run/part-00000.parquet", ["n"])["n"].to_pylist()[:2] == [0, 1]


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"No space left on device.*run the same command again"):  # noqa: SIM117
        with storage.open_atomic(str(tmp_path / "file")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write .*file/part"):
        storage.write_bytes(str(tmp_path / "file"), "part", b"")


def test_equal_tables_give_equal_bytes_with_a_page_index(tmp_path: Path) -> None:
    first = parquet.write(str(tmp_path), "a.parquet", TABLE)
    second = parquet.write(str(tmp_path), "b.parquet", TABLE)
    assert first.sha256 == second.sha256
    assert first.rows == 10_000
    assert first.bytes == (tmp_path / "a.parquet").stat().st_size
    metadata = pq.read_metadata(tmp_path / "a.parquet")
    assert metadata.num_row_groups == 3
    assert metadata.row_group(0).column(0).has_column_index
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_table_without_rows_is_a_file_without_row_groups(tmp_path: Path) -> None:
    record = parquet.write(str(tmp_path), "empty.parquet", TABLE.slice(0, 0))
    assert record.rows == 0
    assert pq.read_metadata(tmp_path / "empty.parquet").num_row_groups == 0
    assert parquet.read(str(tmp_path / "empty.parquet")).schema == TABLE.schema


def test_globs_give_each_file_once_sorted_and_in_the_patterns_style(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.zst", "a.zst", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.zst").mkdir()
    monkeypatch.chdir(tmp_path)
    assert storage.expand(["*.zst", "b*"], "harvest.dumps") == ["a.zst", "b.zst"]
    assert storage.expand([f"{tmp_path}/*.txt"], "harvest.dumps") == [f"{tmp_path}/c.txt"]
    assert storage.expand([], "harvest.dumps") == []


def test_a_glob_that_matches_nothing_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"harvest\.dumps.*RS_\*\.zst"):
        storage.expand([f"{tmp_path}/RS_*.zst"], "harvest.dumps")


@pytest.mark.parametrize("name", ["runs [2017]", "all *", "what?", "[!a]"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = str(tmp_path / name)
    assert parquet.list_parts(folder) == storage.list_files(folder, "*") == []
    for file in ("part-00001.parquet", "part-00000.parquet", f"{storage.TEMPORARY_PREFIX}x.1"):
        storage.write_bytes(folder, file, b"")
    assert parquet.list_parts(folder) == [f"{folder}/part-00000.parquet", f"{folder}/part-00001.parquet"]
    storage.remove_temporaries(folder)
    assert len(list(Path(folder).iterdir())) == 2


def test_one_place_has_many_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert storage.same_place(f"{tmp_path}/run/", f"{tmp_path}/link/../run")
    assert storage.same_place("run/corpus", f"file://{Path.cwd()}/run/corpus")
    assert storage.same_place("memory://run/", "memory://run")
    assert not storage.same_place(f"{tmp_path}/run", f"{tmp_path}/run2")


def test_what_a_killed_run_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / f"{storage.TEMPORARY_PREFIX}part.17").touch()
    (tmp_path / "below" / "part").touch()
    storage.remove_temporaries(str(tmp_path))
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["part"]
    storage.remove(str(tmp_path / "below"))
    storage.remove(str(tmp_path / "below"))
    assert list(tmp_path.iterdir()) == []

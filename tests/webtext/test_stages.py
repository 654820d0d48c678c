"""When a stage is done again, and when it is not."""

import os
from pathlib import Path

import pytest

from webtext import stages, storage
from webtext.stages import Results, StageRun
from webtext.storage import FileRecord

INPUT = FileRecord("dump", 3, "abc")


class Work:
    """Writes one file and counts how often it was asked to."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.times = 0

    def __call__(self) -> Results:
        self.times += 1
        return Results([storage.write_bytes(self.folder, "part", b"content", rows=2)], {"kept": 2})


def stage(folder: Path, min_karma: int = 3, source: FileRecord = INPUT) -> StageRun:
    return StageRun(str(folder), "links", {"min_karma": min_karma}, [source], ["pyarrow"])


def test_a_finished_stage_is_skipped_and_a_changed_one_is_not(tmp_path: Path) -> None:
    work = Work(tmp_path)
    first = stages.perform(stage(tmp_path), work)
    assert stages.perform(stage(tmp_path), work) == first
    assert work.times == 1
    stages.perform(stage(tmp_path, min_karma=4), work)
    assert work.times == 2
    stages.perform(stage(tmp_path, source=FileRecord("dump", 3, "abd")), work)
    assert work.times == 3


def test_the_manifest_says_what_went_in_and_what_came_out(tmp_path: Path) -> None:
    manifest = stages.perform(stage(tmp_path), Work(tmp_path))
    assert storage.read_json(str(tmp_path / "manifest.json")) == manifest
    assert manifest["inputs"][0]["sha256"] == "abc"
    assert manifest["outputs"][0] | {"sha256": ""} == {"path": "part", "bytes": 7, "sha256": "", "rows": 2}
    assert manifest["config"] == {"min_karma": 3}
    assert manifest["counters"] == {"kept": 2}
    assert "pyarrow" in manifest["software"]
    assert stages.outputs_of(manifest, "links")[0].path == "links/part"


def test_without_the_mark_of_success_the_work_goes_on_with_what_is_there(tmp_path: Path) -> None:
    work = Work(tmp_path)
    stages.perform(stage(tmp_path), work)
    (tmp_path / "_SUCCESS").unlink()
    (tmp_path / f"{storage.TEMPORARY_PREFIX}half").touch()
    (tmp_path / "finished-part").touch()
    stages.perform(stage(tmp_path), work)
    assert work.times == 2
    assert (tmp_path / "finished-part").exists()
    assert not (tmp_path / f"{storage.TEMPORARY_PREFIX}half").exists()


def test_what_another_config_left_is_cleared_first(tmp_path: Path) -> None:
    stages.perform(stage(tmp_path), Work(tmp_path))
    (tmp_path / "stale-part").touch()
    stages.perform(stage(tmp_path, min_karma=9), Work(tmp_path))
    assert not (tmp_path / "stale-part").exists()


def test_a_stage_that_fails_leaves_no_mark_of_success(tmp_path: Path) -> None:
    def fail() -> Results:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        stages.perform(stage(tmp_path), fail)
    assert stage(tmp_path).finished() is None


def test_inputs_are_told_by_content_and_read_again_only_when_they_changed(tmp_path: Path) -> None:
    dump, memory = tmp_path / "dump", tmp_path / "run"
    dump.write_bytes(b"one")
    first = stages.examine([str(dump)], str(memory))
    os.utime(dump, (1, 1))
    assert stages.examine([str(dump)], str(memory)) == first
    dump.write_bytes(b"two")
    assert stages.examine([str(dump)], str(memory))[0].sha256 != first[0].sha256

import errno
import os
from pathlib import Path

import pytest

from pipeline.doctor import disk, sizes
from pipeline.doctor.disk import Place
from pipeline.doctor.findings import State


def test_a_place_that_is_not_there_yet_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    place = disk.look("disk", str(tmp_path / "a" / "b"))
    assert not place.flaw
    assert place.free
    assert disk.check(place, 1).state is State.OK
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    finding = disk.check(disk.look("disk", str(tmp_path / "a" / "b")), 1)
    assert finding.state is State.PROBLEM
    assert "is a file" in finding.sentence


def test_a_folder_that_nobody_may_write_to() -> None:
    finding = disk.check(disk.look("disk", "/proc/webtext"), 1)
    assert finding.state is State.PROBLEM
    assert "written to" in finding.sentence


def test_a_file_system_that_cannot_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fail)
    assert "synced (Invalid argument)" in disk.try_out(tmp_path)


@pytest.mark.parametrize("path", ["nosuchscheme://a/b", "memory://a/b"])
def test_other_file_systems(path: str) -> None:
    place = disk.look("disk", path)
    assert (disk.check(place, 1).state is State.PROBLEM) == path.startswith("nosuchscheme")
    assert "local" in disk.needs_local("fetch.live", path).sentence


@pytest.mark.parametrize(("free", "state"), [(99, State.PROBLEM), (110, State.WARNING), (121, State.OK)])
def test_free_space(free: int, state: State) -> None:
    assert disk.check(Place("disk", "runs", free * 10**9), 100 * 10**9).state is state


def test_what_a_run_writes_grows_with_its_inputs() -> None:
    nothing = sizes.estimate(dump_bytes=0, list_bytes=0, archive_bytes=0, live=True)
    assert nothing == (0, 0, 0)
    openwebtext = sizes.estimate(dump_bytes=140 * 10**9, list_bytes=0, archive_bytes=0, live=True)
    assert openwebtext.links == openwebtext.pages == pytest.approx(23e6, rel=0.05)
    at_hand = sizes.estimate(dump_bytes=140 * 10**9, list_bytes=0, archive_bytes=25 * 10**9, live=False)
    assert at_hand.pages == 10**6
    assert at_hand.bytes < openwebtext.bytes

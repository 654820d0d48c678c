"""Where a run writes: whether it can, whether what is written there is whole after a crash, and whether it fits."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from pipeline.doctor.findings import Finding, ok, problem, warning
from pipeline.doctor.inputs import first_line
from webtext import storage
from webtext.errors import UserError

SPARE = 1.2
"""A disk that is filled to the last byte is slow."""
TEMPORARY_BYTES = 256 * 1024 * 1024
"""For what Beam hands to its workers, and for Java's job server."""
GB = 1e9


class Place(NamedTuple):
    """A place to write to. flaw: half a sentence about what it cannot do; free: bytes, None where nobody knows."""

    about: str
    path: str
    free: int | None
    flaw: str = ""


def look(about: str, path: str) -> Place:
    """Try a place; nothing of that stays. One that is not there yet is judged by the folder that it will lie in."""
    try:
        local = storage.is_local(path)
        _, location = storage.locate(path)
    except UserError as error:
        return Place(about, path, None, f"cannot be reached ({first_line(error)})")
    if not local:
        return Place(about, path, None)
    folder = Path(location)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return Place(about, path, shutil.disk_usage(folder).free, try_out(folder))


def try_out(folder: Path) -> str:
    """Half a sentence about the first thing that does not work in a folder: writing, syncing, renaming, locking."""
    if not folder.is_dir():
        return f"{folder} is a file"
    doing = "written to"
    try:
        with tempfile.TemporaryDirectory(prefix="_doctor.", dir=folder) as name:
            first, second = Path(name) / "first", Path(name) / "second"
            with first.open("wb") as file:
                file.write(b"webtext")
                doing = "synced"
                file.flush()
                os.fsync(file.fileno())
                doing = "locked"
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            doing = "renamed in"
            first.replace(second)
            doing = "synced"
            storage.sync_folder(Path(name))
    except OSError as error:
        return f"{folder} cannot be {doing} ({error.strerror or error})"
    return ""


def check(place: Place, needed: int) -> Finding:
    """Whether a run can write so many bytes there."""
    if place.flaw:
        return problem(place.about, f"{place.flaw}: choose another place, or have it mended.")
    if place.free is None:
        return ok(place.about, f"{place.path} is remote: its free space is not known, about {_gb(needed)} are needed.")
    if place.free < needed:
        return problem(
            place.about,
            f"about {_gb(needed)} are needed at {place.path} and {_gb(place.free)} are free: free some, or choose "
            "another place.",
        )
    if place.free < SPARE * needed:
        return warning(
            place.about, f"about {_gb(needed)} of the {_gb(place.free)} that are free at {place.path} are needed."
        )
    return ok(place.about, f"{place.path} can be written to; {_gb(place.free)} are free, about {_gb(needed)} needed.")


def needs_local(key: str, output: str) -> Finding:
    """What is fetched is written as it comes."""
    return problem("disk", f"{key} writes as it goes, which {output} cannot: fetch to a local output.")


def _gb(size: float) -> str:
    return f"{size / GB:,.1f} GB" if size >= GB / 10 else f"{size / 1e6:,.1f} MB"

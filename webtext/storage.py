"""Files that are whole or absent, on any file system that fsspec reads: manifests, marks of success, whatever else.

A file is written under a temporary name beside its place, synced, and renamed. Object stores have no rename worth the
name, but there an upload appears whole or not at all, which is the same promise.
"""

import contextlib
import dataclasses
import fnmatch
import hashlib
import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import fsspec.core
import orjson
from fsspec.implementations.local import LocalFileSystem

from webtext.errors import UserError

MANIFEST = "manifest.json"
SUCCESS = "_SUCCESS"
TEMPORARY_PREFIX = "_temporary."


@dataclasses.dataclass(frozen=True)
class FileRecord:
    """What a manifest says of one file: `path` is relative to the stage's folder, `rows` is None where it has none."""

    path: str
    bytes: int
    sha256: str
    rows: int | None = None


def join(folder: str, *names: str) -> str:
    """A path below a folder, local or remote."""
    return posixpath.join(folder, *names)


def exists(path: str) -> bool:
    """Whether a file or a folder is there."""
    filesystem, location = fsspec.core.url_to_fs(path)
    return bool(filesystem.exists(location))


def same_place(one: str, other: str) -> bool:
    """Whether two paths lead to the same file or folder, however they are spelt."""
    return _place(one) == _place(other)


def _place(path: str) -> str:
    filesystem, location = fsspec.core.url_to_fs(path)
    if isinstance(filesystem, LocalFileSystem):
        return str(os.path.realpath(location))
    return str(filesystem.unstrip_protocol(location))


def expand(patterns: Sequence[str], key: str) -> list[str]:
    """The files that globs match, sorted, each once.

    Raises UserError, naming the config key, for a pattern that matches nothing: that is a typing error more often than
    a wish.
    """
    found: set[str] = set()
    for pattern in patterns:
        filesystem, location = fsspec.core.url_to_fs(pattern)
        matches = [path for path in filesystem.glob(location) if filesystem.isfile(path)]
        if not matches:
            raise UserError(f"{key}: no file matches {pattern!r}; correct the pattern or remove it from the list.")
        found.update(_like(pattern, filesystem, path) for path in matches)
    return sorted(found)


def _like(pattern: str, filesystem: Any, path: str) -> str:
    """A glob's match in the pattern's own style: relative where the pattern is, with its scheme where it has one."""
    if not isinstance(filesystem, LocalFileSystem):
        return str(filesystem.unstrip_protocol(path))
    if Path(pattern).is_absolute() or "://" in pattern:
        return path
    return os.path.relpath(path)


def list_files(folder: str, pattern: str) -> list[str]:
    """What lies in a folder and has a name like `pattern`, sorted; nothing when the folder is absent.

    Only the name is a pattern: a folder may be called `[2017]`.
    """
    filesystem, location = fsspec.core.url_to_fs(folder)
    try:
        found = filesystem.ls(location, detail=False)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [join(folder, name) for name in sorted(fnmatch.filter(map(posixpath.basename, found), pattern))]


def is_local(path: str) -> bool:
    """Whether a path is on this machine's file system, where files can grow."""
    return "://" not in path or isinstance(fsspec.core.url_to_fs(path)[0], LocalFileSystem)


def size(path: str) -> int:
    """A file's size in bytes."""
    filesystem, location = fsspec.core.url_to_fs(path)
    return int(filesystem.size(location))


@contextlib.contextmanager
def open_atomic(path: str) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name whole, when the block ends well, or not at all.

    Raises UserError when the place cannot be written or is full.
    """
    filesystem, location = fsspec.core.url_to_fs(path)
    try:
        if not isinstance(filesystem, LocalFileSystem):
            with filesystem.transaction, filesystem.open(location, "wb") as remote:
                yield remote
            return
        target = Path(location)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write {path}: {reason}; free or change the place (output) and run the same command again."
        ) from error


def sync_folder(folder: Path) -> None:
    """Have on the disk which names a local folder holds."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(folder: str, name: str, content: bytes, rows: int | None = None) -> FileRecord:
    """Write a whole file at once. `name` is relative to `folder`, and may lie in a folder below it."""
    with open_atomic(join(folder, name)) as file:
        file.write(content)
    return FileRecord(name, len(content), hashlib.sha256(content).hexdigest(), rows)


def read_bytes(path: str) -> bytes:
    """A whole file."""
    filesystem, location = fsspec.core.url_to_fs(path)
    return bytes(filesystem.cat_file(location))


def read_json(path: str) -> Any:
    """A JSON file's value."""
    return orjson.loads(read_bytes(path))


def json_bytes(value: Any) -> bytes:
    """A value as indented JSON with sorted keys: equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def write_json(folder: str, name: str, value: Any) -> FileRecord:
    """Write a value as JSON."""
    return write_bytes(folder, name, json_bytes(value))


def remove(path: str) -> None:
    """Remove a file or a folder with all that is in it; nothing happens when it is absent."""
    filesystem, location = fsspec.core.url_to_fs(path)
    if filesystem.exists(location):
        filesystem.rm(location, recursive=True)


def remove_temporaries(folder: str) -> None:
    """Remove what a killed run left half written below a folder."""
    filesystem, location = fsspec.core.url_to_fs(folder)
    for path in filesystem.find(location):
        if posixpath.basename(path).startswith(TEMPORARY_PREFIX):
            filesystem.rm(path)

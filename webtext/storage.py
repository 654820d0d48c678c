"""Files that are whole or absent, on any file system that fsspec reads: manifests, marks of success, whatever else.

A local file is written under a temporary name beside its place, synced, and renamed. A remote one is written to a local
file first and uploaded in one go (see `filesystems.put`): whatever fails until then has left nothing far away.
"""

import contextlib
import dataclasses
import errno
import fnmatch
import hashlib
import io
import os
import posixpath
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
from fsspec.implementations.local import LocalFileSystem

from webtext import filesystems
from webtext.errors import UserError
from webtext.filesystems import TEMPORARY_PREFIX, is_local, is_shared, locate, reaching

__all__ = ["MANIFEST", "SUCCESS", "TEMPORARY_PREFIX", "FileRecord", "is_local", "is_shared", "locate"]

MANIFEST = "manifest.json"
SUCCESS = "_SUCCESS"


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
    with reaching(path, "read") as (filesystem, location):
        return bool(filesystem.exists(location))


def same_place(one: str, other: str) -> bool:
    """Whether two paths lead to the same file or folder, however they are spelt."""
    return _place(one) == _place(other)


def _place(path: str) -> str:
    filesystem, location = locate(path)
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
        with reaching(pattern, "read") as (filesystem, location):
            matches = list(_files_like(filesystem, location))
        if not matches:
            raise UserError(f"{key}: no file matches {pattern!r}; correct the pattern or remove it from the list.")
        found.update(_like(pattern, filesystem, path) for path in matches)
    return sorted(found)


def _files_like(filesystem: Any, pattern: str) -> Iterator[str]:
    if isinstance(filesystem, LocalFileSystem):
        yield from filter(filesystem.isfile, filesystem.glob(pattern))
        return
    for path, info in filesystem.glob(pattern, detail=True).items():  # to ask of each once more takes its time
        if info["type"] == "file" and not path.endswith("/"):
            yield path


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
    try:
        with reaching(folder, "read") as (filesystem, location):
            found = filesystem.ls(location, detail=False)
    except (FileNotFoundError, NotADirectoryError):
        return []
    # An object store may have an empty object that stands for the folder itself.
    below = [path.rstrip("/") for path in found if path.rstrip("/") != location.rstrip("/")]
    return [join(folder, name) for name in sorted(fnmatch.filter(map(posixpath.basename, below), pattern))]


def size(path: str) -> int:
    """A file's size in bytes."""
    with reaching(path, "read") as (filesystem, location):
        return int(filesystem.size(location))


@contextlib.contextmanager
def opened(path: str, **options: Any) -> Iterator[io.BufferedReader]:
    """Open a file for reading, from its beginning or anywhere.

    options: fsspec's, of how a remote file is read ahead.
    Raises OSError where a local file cannot be read, UserError where a remote one cannot.
    """
    with reaching(path, "read") as (filesystem, location), filesystem.open(location, "rb", **options) as file:
        yield cast("io.BufferedReader", file)


@contextlib.contextmanager
def open_atomic(path: str) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name whole, when the block ends well, or not at all.

    Raises UserError when the place cannot be written or is full.
    """
    filesystem, location = locate(path)
    write = _written_here(location) if isinstance(filesystem, LocalFileSystem) else _sent_away(path)
    try:
        with write as file:
            yield file
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write {path}: {reason}; free or change the place (output) and run the same command again."
        ) from error


@contextlib.contextmanager
def _written_here(location: str) -> Iterator[BinaryIO]:
    target = Path(location)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _sent_away(path: str) -> Iterator[BinaryIO]:
    try:
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY_PREFIX) as file:
            yield cast("BinaryIO", file)
            file.flush()
            with reaching(path, "write") as (filesystem, location):
                filesystems.put(filesystem, location, Path(file.name))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UserError(
            f"cannot write {path}: it is laid in {tempfile.gettempdir()} before it is sent, which is full; free it, or "
            "name another folder in TMPDIR, and run the same command again."
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
    path = join(folder, name)
    if is_local(path):
        with open_atomic(path) as file:
            file.write(content)
    else:
        _send(path, content)
    return FileRecord(name, len(content), hashlib.sha256(content).hexdigest(), rows)


def _send(path: str, content: bytes) -> None:
    try:
        with reaching(path, "write") as (filesystem, location):
            filesystems.put(filesystem, location, content)
    except OSError as error:  # the bucket, or what stands for a folder
        reason = error.strerror or str(error)
        raise UserError(f"cannot write {path}: {reason}; change the place (output).") from error


def read_bytes(path: str) -> bytes:
    """A whole file."""
    with reaching(path, "read") as (filesystem, location):
        return bytes(filesystem.cat_file(location))


def read_range(path: str, offset: int, length: int) -> bytes:
    """`length` bytes of a file from `offset` on; fewer where it ends before."""
    with reaching(path, "read") as (filesystem, location):
        return bytes(filesystem.cat_file(location, start=offset, end=offset + length))


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
    with reaching(path, "remove") as (filesystem, location):
        if filesystem.exists(location):
            filesystems.remove(filesystem, location)


def remove_temporaries(folder: str) -> None:
    """Remove what a killed run left half written below a folder."""
    with reaching(folder, "clear") as (filesystem, location):
        for path in filesystem.find(location):
            if posixpath.basename(path).startswith(TEMPORARY_PREFIX):
                filesystem.rm_file(path)

"""File systems by path: this machine's, and those far away that fsspec knows, whose failures become sentences.

Object stores show an object whole or not at all, so a file is uploaded in one go under its name. Other file systems
show what has been written so far, so a file is uploaded under a temporary name and renamed.
"""

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from glob import has_magic
from pathlib import Path
from typing import Any

import fsspec.core
from fsspec.implementations.local import LocalFileSystem

from webtext.errors import UserError

TEMPORARY_PREFIX = "_temporary."

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory"})
"""Protocols under which nobody sees half an upload."""

LIBRARIES = frozenset({"adlfs", "aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google", "requests"})
"""Whose errors are failures of a remote file system, though not every one is an OSError."""

LONGEST_REASON = 300
REQUESTS = 16
"""Files that are removed at a time."""


def locate(path: str) -> tuple[Any, str]:
    """A path's file system (fsspec's), and what it calls the path.

    Raises UserError for a scheme that nothing here reads.
    """
    try:
        filesystem, location = fsspec.core.url_to_fs(path)
    except ImportError as error:
        raise UserError(
            f"cannot reach {path}: {_words(error)}; pip install 'webtext[remote]' brings what s3:// and gs:// need."
        ) from error
    except Exception as error:
        if not isinstance(error, ValueError) and not _is_remote(error):
            raise
        raise UserError(
            f"cannot reach {path}: {_words(error)}; correct the path, or install what such file systems need."
        ) from error
    # Workers in other processes write too, and a listing that is kept would not tell of it.
    filesystem.dircache.use_listings_cache = False
    return filesystem, location


def is_local(path: str) -> bool:
    """Whether a path is on this machine's file system, where files can grow."""
    return "://" not in path or isinstance(locate(path)[0], LocalFileSystem)


def is_shared(path: str) -> bool:
    """Whether other processes find what lies there, as they do not in fsspec's `memory://`."""
    return "memory://" not in path


def require_local(path: str, what: str) -> None:
    """Raise UserError for a remote path where only local ones will do. what: whose path it is."""
    if not is_local(path):
        raise UserError(f"{what}: {path} is not on this machine; copy it here, or give a local folder.")


@contextlib.contextmanager
def reaching(path: str, wish: str) -> Iterator[tuple[Any, str]]:
    """`locate`; where a remote file system fails while the block runs, that is told.

    wish: what the block is for, `read` or `write`.
    Raises UserError for such a failure; FileNotFoundError and its like stay what they are.
    """
    filesystem, location = locate(path)
    if isinstance(filesystem, LocalFileSystem):
        yield filesystem, location
        return
    try:
        yield filesystem, location
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise
    except Exception as error:
        if not _is_remote(error):
            raise
        raise UserError(
            f"cannot {wish} {path}: {_words(error)}; mend the path, the credentials or the network, and run the same "
            "command again."
        ) from error


def put(filesystem: Any, location: str, content: bytes | Path) -> None:
    """Write a remote file that appears whole or not at all. content: its bytes, or the local file that holds them."""
    if is_object_store(filesystem):
        _send(filesystem, location, content)
        return
    folder, _, name = location.rpartition("/")
    temporary = f"{folder}/{TEMPORARY_PREFIX}{name}.{secrets.token_hex(8)}"
    filesystem.makedirs(folder, exist_ok=True)
    try:
        _send(filesystem, temporary, content)
        filesystem.mv(temporary, location)
    except BaseException:
        with contextlib.suppress(Exception):  # the failure itself is what is told
            filesystem.rm_file(temporary)
        raise


def remove(filesystem: Any, location: str) -> None:
    """Remove a file or a folder that is there."""
    if not is_object_store(filesystem):
        filesystem.rm(location, recursive=True)
        return
    # Theirs would take a name such as [2017] for a pattern, and remove what is like it.
    with ThreadPoolExecutor(REQUESTS) as threads:
        for removal in [threads.submit(filesystem.rm_file, path) for path in filesystem.find(location)]:
            removal.result()
    if not has_magic(location) and filesystem.exists(location):  # an object that stands for a folder
        filesystem.rm(location, recursive=True)


def is_object_store(filesystem: Any) -> bool:
    """Whether a file system is one where an upload appears whole or not at all."""
    protocol = filesystem.protocol
    return not OBJECT_STORES.isdisjoint([protocol] if isinstance(protocol, str) else protocol)


def _send(filesystem: Any, location: str, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        filesystem.pipe_file(location, content)
    else:
        filesystem.put_file(str(content), location)


def _is_remote(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in LIBRARIES


def _words(error: Exception) -> str:
    """What an error says, in one line."""
    told = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return told.strip().splitlines()[0][:LONGEST_REASON].rstrip(".")

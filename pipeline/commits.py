"""Partitions that are done: a record for each, written after its files, so that a killed stage goes on where it was.

A stage's folder may be finished in parts. The record of a part tells what its content depends on (`key`) and which
files it has; without the record the files do not count, whatever is there. Reading takes the sizes of the files into
account, not their bytes: they were synced and renamed before the record was.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from webtext import storage
from webtext.storage import FileRecord

FOLDER = "_commits"


@dataclasses.dataclass(frozen=True)
class Commit:
    """One finished partition of a stage.

    key: hash of the config and the inputs that the partition's content depends on.
    files: what was written, with paths relative to the stage's folder.
    counters: how many of what, for the manifest; nothing that differs from run to run, so no times.
    """

    partition: int
    key: str
    files: tuple[FileRecord, ...]
    counters: Mapping[str, int]


def commit_name(partition: int) -> str:
    """Where a partition's record lies in the stage's folder."""
    return storage.join(FOLDER, f"part-{partition:05d}.json")


def write_commit(folder: str, commit: Commit) -> None:
    """Declare a partition finished. Its files must have been written by then."""
    storage.write_json(folder, commit_name(commit.partition), dataclasses.asdict(commit))


def read_commit(folder: str, partition: int, key: str) -> Commit | None:
    """The record of a partition that was finished under `key` and whose files are all there; None otherwise."""
    try:
        content = storage.read_json(storage.join(folder, commit_name(partition)))
        commit = _commit(content)
        complete = all(storage.size(storage.join(folder, file.path)) == file.bytes for file in commit.files)
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # no record, or not one of ours
        return None
    return commit if complete and (commit.partition, commit.key) == (partition, key) else None


def _commit(content: Any) -> Commit:
    return Commit(
        int(content["partition"]),
        str(content["key"]),
        tuple(FileRecord(**file) for file in content["files"]),
        dict(content["counters"]),
    )

"""What fetching leaves in the folder of the pages. Light: it is imported by those who do not fetch."""

import hashlib
from pathlib import Path

from webtext import storage
from webtext.storage import FileRecord

JOURNAL = "_journal"
"""The folder of the journals."""
SOURCES = ("live", "commoncrawl", "wayback")
"""Whoever fetches: the web itself, and archives on it. Their files begin with these names."""
ARCHIVES = tuple(f"{source}-*.warc.gz" for source in SOURCES)
"""The files that hold what was fetched."""
KEPT = (*ARCHIVES, JOURNAL)
"""What outlives a change of config: nobody is asked twice for a page because we changed our mind about other things."""


def archives(folder: str) -> list[FileRecord]:
    """The files in the folder of the pages that hold what was fetched, as outputs of the stage."""
    return [_record(path) for pattern in ARCHIVES for path in storage.list_files(folder, pattern)]


def _record(path: str) -> FileRecord:
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(Path(path).name, storage.size(path), digest)


def shard_name(shard: int, shards: int, source: str = SOURCES[0]) -> str:
    """What the files of a shard are called."""
    return f"{source}-{shard:05d}-of-{shards:05d}"

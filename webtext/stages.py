"""A stage's folder from its beginning to its end: when it may be skipped, what is cleared, what its manifest says.

A folder with `_SUCCESS` is finished and never touched again while its fingerprint stays the same. The fingerprint is a
hash of the stage's part of the config, the contents of its inputs and webtext's version, so a changed config redoes
what depends on it and nothing else. A stage begins by writing its fingerprint down: a killed run with the same one goes
on with what is there, any other clears the folder first.
"""

import dataclasses
import fnmatch
import functools
import hashlib
import importlib.metadata
import platform
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import webtext
from webtext import storage
from webtext.errors import UserError
from webtext.filesystems import reaching
from webtext.storage import FileRecord

FINGERPRINT = "_fingerprint.json"
INPUTS_SEEN = "_inputs.json"
VERSIONS = ("ETag", "etag", "md5Hash", "generation", "mtime", "last_modified", "modified", "created")
"""What file systems call a file's version, those that tell of its content first."""


@dataclasses.dataclass(frozen=True)
class Results:
    """What an element of work, or all of a stage, wrote and counted, and sentences about what must stop the run."""

    files: Sequence[FileRecord]
    counters: Mapping[str, Any]
    faults: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class StageRun:
    """One stage of one run: where it writes and what its result depends on."""

    folder: str
    name: str
    config: Mapping[str, Any]
    inputs: Sequence[FileRecord]
    libraries: Sequence[str] = ()
    """Distributions whose version can change the result: what the manifest tells of."""
    keeps: Sequence[str] = ()
    """Names, as patterns, in its folder that outlive a change of what the result depends on."""

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex digest of all that the result depends on."""
        return hashlib.sha256(
            storage.json_bytes(
                {
                    "stage": self.name,
                    "version": webtext.__version__,
                    "config": self.config,
                    "inputs": [[record.path, record.bytes, record.sha256] for record in self.inputs],
                }
            )
        ).hexdigest()

    def finished(self) -> dict[str, Any] | None:
        """The manifest of this very stage when it is complete, else None."""
        if not storage.exists(storage.join(self.folder, storage.SUCCESS)):
            return None
        manifest = storage.read_json(storage.join(self.folder, storage.MANIFEST))
        return manifest if manifest["fingerprint"] == self.fingerprint else None

    def begin(self) -> None:
        """Make the folder ready: keep what the same stage left when it was interrupted, clear anything else."""
        mark = storage.join(self.folder, FINGERPRINT)
        same = storage.exists(mark) and storage.read_json(mark) == self.fingerprint
        if not same:
            self._clear()
        storage.remove_temporaries(self.folder)
        storage.write_json(self.folder, FINGERPRINT, self.fingerprint)

    def _clear(self) -> None:
        for path in storage.list_files(self.folder, "*"):
            if not any(fnmatch.fnmatch(posixpath.basename(path), pattern) for pattern in self.keeps):
                storage.remove(path)

    def finish(self, outputs: Sequence[FileRecord], counters: Mapping[str, Any], **beside: Any) -> dict[str, Any]:
        """Write the manifest, then the mark of success; returns the manifest.

        beside: what the manifest of this kind of stage says beside what all say.
        """
        manifest = {
            "stage": self.name,
            "fingerprint": self.fingerprint,
            "inputs": [dataclasses.asdict(record) for record in self.inputs],
            "outputs": [dataclasses.asdict(record) for record in sorted(outputs, key=lambda record: record.path)],
            "config": dict(self.config),
            "software": software(self.libraries),
            "counters": dict(counters),
            **beside,
        }
        storage.write_json(self.folder, storage.MANIFEST, manifest)
        storage.write_bytes(self.folder, storage.SUCCESS, b"")
        return manifest


def software(libraries: Sequence[str]) -> dict[str, str]:
    """Versions of webtext, of Python, and of some distributions."""
    versions = {name: importlib.metadata.version(name) for name in libraries}
    return {"webtext": webtext.__version__, "python": platform.python_version(), **versions}


def outputs_of(manifest: Mapping[str, Any], folder: str) -> list[FileRecord]:
    """The files that a stage's manifest lists, as inputs of a later stage: paths relative to the run."""
    return [
        FileRecord(storage.join(folder, entry["path"]), entry["bytes"], entry["sha256"], entry["rows"])
        for entry in manifest["outputs"]
    ]


def examine(paths: Sequence[str], seen_in: str, *, remember: bool = True) -> list[FileRecord]:
    """Size and sha256 of input files.

    A file whose size and time of change are those of an earlier look (kept in `_inputs.json` below `seen_in`) is not
    read again. Remote files are told by what the file system says of their version, not by a sha256 of their bytes.
    remember: keep this look for the next one.
    """
    memory = storage.join(seen_in, INPUTS_SEEN)
    known = storage.read_json(memory) if storage.exists(memory) else {}
    seen = {path: _look(path, known.get(path)) for path in paths}
    if remember and any(known.get(path) != look for path, look in seen.items()):
        storage.write_json(seen_in, INPUTS_SEEN, {**known, **seen})
    return [FileRecord(path, int(seen[path]["bytes"]), seen[path]["sha256"]) for path in paths]


def _look(path: str, known: Mapping[str, Any] | None) -> dict[str, Any]:
    with reaching(path, "read") as (filesystem, location):
        info = filesystem.info(location)
    if not storage.is_local(path):
        version = hashlib.sha256(_version(info).encode()).hexdigest()
        return {"bytes": info["size"], "changed": None, "sha256": version}
    changed = info["mtime"]
    if known is not None and (known["bytes"], known["changed"]) == (info["size"], changed):
        return dict(known)
    with open(location, "rb") as file:  # noqa: PTH123 - hashlib.file_digest wants a real file
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": info["size"], "changed": changed, "sha256": digest}


def _version(info: Mapping[str, Any]) -> str:
    """What a remote file system says that changes when a file does: the best of what it tells, with its name."""
    named = next((name for name in VERSIONS if info.get(name)), None)
    return f"{named} {info[named]}" if named else repr(sorted(info.items()))


def perform(stage: StageRun, work: Callable[[], Results]) -> dict[str, Any]:
    """Do a stage's work, unless it is done; returns its manifest.

    work: writes the stage's files, and returns their records and the stage's counters.
    Raises UserError for the first fault that the work found.
    """
    done = stage.finished()
    if done is not None:
        return done
    stage.begin()
    result = work()
    if result.faults:
        raise UserError(result.faults[0])
    return stage.finish(result.files, result.counters)

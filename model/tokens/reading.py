"""RUN/tokens as training reads it: the files of a split as one sequence, which stays on the disk."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from webtext import storage
from webtext.errors import UserError

Tokens = npt.NDArray[np.uint16]
DTYPE = np.dtype("<u2")


@dataclasses.dataclass(frozen=True)
class TokenFiles:
    """All tokens of a split, in order, as one read-only sequence of `uint16`.

    A document ends with `end_of_text`, which is a token like any other here. A slice inside one file is a view of the
    file, a slice across files is a copy.
    """

    files: Sequence[Tokens]
    documents: int
    text_bytes: int
    """UTF-8 bytes of the split's text: what turns a loss per token into one per byte."""
    end_of_text: int
    vocabulary: int
    """Ids are below this."""
    fingerprint: str
    """The tokenizer's."""
    ends: npt.NDArray[np.int64] = dataclasses.field(init=False, repr=False)
    """Where each file ends in the sequence."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", np.cumsum([len(file) for file in self.files], dtype=np.int64))

    @property
    def total(self) -> int:
        """Tokens in all; 0 for a split that the corpus does not have."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def __len__(self) -> int:
        return self.total

    @overload
    def __getitem__(self, where: int) -> int: ...

    @overload
    def __getitem__(self, where: slice) -> Tokens: ...

    def __getitem__(self, where: int | slice) -> int | Tokens:
        if not isinstance(where, slice):
            place = range(self.total)[where]
            return int(self[place : place + 1][0])
        begin, end, step = where.indices(self.total)
        if step != 1:
            raise ValueError(f"tokens are read in steps of 1, not {step}")
        pieces = []
        file = int(np.searchsorted(self.ends, begin, side="right"))
        while begin < end:
            first = int(self.ends[file]) - len(self.files[file])
            piece = self.files[file][begin - first : end - first]
            pieces.append(piece)
            begin += len(piece)
            file += 1
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=DTYPE)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a finished RUN/tokens.

    Raises UserError where there is none.
    """
    place = str(folder)
    if not storage.exists(storage.join(place, storage.SUCCESS)):
        state = "is not finished" if storage.exists(place) else "does not exist"
        raise UserError(f"the tokens {place}: this folder {state}; make it with webtext tokens --set output=RUN.")
    manifest: dict[str, Any] = storage.read_json(storage.join(place, storage.MANIFEST))
    if "tokenizer" not in manifest or "splits" not in manifest:
        raise UserError(f"{place} holds no tokens; give the folder tokens of a run, which webtext tokens makes.")
    return manifest


def open_tokens(folder: str | Path, split: str, *, verify: bool) -> TokenFiles:
    """Open the files of a split, `train` or `validation`, of a RUN/tokens on a local disk.

    verify: compare every file's sha256 with the manifest, about a second a gigabyte; their sizes are compared always.
    Raises UserError, naming the file, where one is absent or not what the manifest says. A split that the corpus does
    not have is empty.
    """
    if not storage.is_local(str(folder)):
        raise UserError(
            f"{folder} is not on a local disk, where tokens must lie to be mapped into memory; copy it there."
        )
    manifest = read_manifest(folder)
    sizes = manifest["splits"].get(split, {"documents": 0, "bytes": 0})
    entries = [entry for entry in manifest["files"] if entry["split"] == split]
    return TokenFiles(
        files=[_open(Path(folder), entry, verify=verify) for entry in entries],
        documents=sizes["documents"],
        text_bytes=sizes["bytes"],
        end_of_text=manifest["tokenizer"]["end_of_text"],
        vocabulary=manifest["tokenizer"]["vocabulary"],
        fingerprint=manifest["tokenizer"]["fingerprint"],
    )


def _open(folder: Path, entry: Mapping[str, Any], *, verify: bool) -> Tokens:
    path = folder / entry["path"]
    again = "make the tokens anew (remove the folder and run webtext tokens), or copy them again."
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"cannot read the tokens {path}: {error.strerror}; {again}") from None
    if size != entry["bytes"]:
        raise UserError(f"{path} has {size:,} bytes where its manifest says {entry['bytes']:,}; {again}")
    if verify:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != entry["sha256"]:
            raise UserError(f"{path} is damaged: its sha256 is not the one in its manifest; {again}")
    return np.memmap(path, dtype=DTYPE, mode="r")

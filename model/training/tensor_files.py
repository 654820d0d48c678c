"""safetensors files, written as a stream: tensor by tensor, hashed on the way, on the disk when the function returns.

The library's own writer holds the whole file in memory, and hashing what it wrote reads everything again.
Format: https://github.com/huggingface/safetensors (a length, a JSON header, the tensors' bytes). Read them with the
library.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from webtext.storage import FileRecord

_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64"}
_ALIGNMENT = 8


def write(path: Path, tensors: Mapping[str, Tensor]) -> FileRecord:
    """Write tensors (on the CPU) under their names, sorted, and sync the file. Raises OSError."""
    return write_pieces(path, _pieces(tensors))


def write_pieces(path: Path, pieces: Iterator[bytes | memoryview]) -> FileRecord:
    """Write a file's bytes in order, and sync it; returns its size and sha256. Raises OSError."""
    digest = hashlib.sha256()
    size = 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return FileRecord(path.name, size, digest.hexdigest())


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}  # transformers refuses a file that does not say so
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    yield len(encoded).to_bytes(8, "little") + encoded
    for name in sorted(tensors):
        yield tensors[name].detach().contiguous().flatten().view(torch.uint8).numpy().data

"""Which documents the tokenizer learns from: a sample by id, the same whatever the order of files and documents."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from model import corpus


@dataclasses.dataclass(frozen=True)
class Sample:
    """The documents whose hash is at most `cutoff`; nothing when it is -1. Bytes are those of the text in UTF-8."""

    cutoff: int
    documents: int
    bytes: int
    all_documents: int
    all_bytes: int

    def holds(self, document: str | int) -> bool:
        """Whether a document, by its id, is in the sample."""
        return position(document) <= self.cutoff


def position(document: str | int) -> int:
    """A document's place in the order in which a sample grows, 0 to 2^63 - 1, from its id alone."""
    digest = hashlib.blake2b(str(document).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def choose(positions: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], budget: int) -> Sample:
    """As many documents as a budget of bytes holds, in the order of their positions, until one does not fit.

    positions, sizes: of each document. Documents of equal position come in together or not at all.
    """
    order = np.argsort(positions, kind="stable")
    in_order = positions[order]
    reached = np.cumsum(sizes[order])
    last_of_equals = np.append(in_order[1:] != in_order[:-1], True)[: len(order)]
    fitting = np.flatnonzero(last_of_equals & (reached <= budget))
    chosen = int(fitting[-1]) + 1 if len(fitting) else 0
    return Sample(
        cutoff=int(in_order[chosen - 1]) if chosen else -1,
        documents=chosen,
        bytes=int(reached[chosen - 1]) if chosen else 0,
        all_documents=len(order),
        all_bytes=int(reached[-1]) if len(order) else 0,
    )


def survey(paths: Iterable[str], budget: int) -> Sample:
    """Look through a corpus's files and choose the sample."""
    positions: list[int] = []
    sizes: list[int] = []
    for path in paths:
        for batch in corpus.documents(path):
            positions += map(position, batch["id"].to_pylist())
            sizes += pc.binary_length(batch["text"]).to_pylist()
    return choose(np.array(positions, dtype=np.int64), np.array(sizes, dtype=np.int64), budget)


def texts(paths: Sequence[str], sample: Sample, *, inside: bool = True) -> Iterator[list[str]]:
    """The texts of the documents that are in the sample, or of those that are not, in batches, in the files' order."""
    for path in paths:
        for batch in corpus.documents(path):
            chosen = [sample.holds(document) == inside for document in batch["id"].to_pylist()]
            yield batch.filter(chosen)["text"].to_pylist()

"""RUN/tokens folders made by hand: small, learnable, and with a manifest as `webtext tokens` writes it."""

import hashlib
import json
from pathlib import Path

import numpy as np

from model.tokenizer import alphabet, files
from model.tokenizer.vocabulary import Vocabulary

VOCABULARY = 300
END_OF_TEXT = VOCABULARY - 1


def write_tokenizer(folder: Path, letter: str) -> str:
    """A tokenizer that knows pairs with one letter, so that letters make different ones; returns its fingerprint."""
    singles = sorted(alphabet.byte_values())
    pairs = [(letter, other) for other in singles[: END_OF_TEXT - len(singles)]]
    entries = {token: number for number, token in enumerate([*singles, *(one + other for one, other in pairs)])}
    vocabulary = Vocabulary(entries, pairs, {"<|endoftext|>": END_OF_TEXT})
    files.write(vocabulary, str(folder))
    return vocabulary.fingerprint


def learnable(count: int, seed: int) -> "np.ndarray[tuple[int], np.dtype[np.uint16]]":
    """Ids in which each mostly follows from the one before, with an <|endoftext|> about every 40."""
    random = np.random.default_rng(seed)
    jumps = random.random(count) < 0.2
    targets = random.integers(0, END_OF_TEXT, count)
    ends = random.random(count) < 0.025
    ids = np.empty(count, dtype=np.uint16)
    now = 1
    for place in range(count):
        now = int(targets[place]) if jumps[place] else (7 * now + 3) % 97
        ids[place] = END_OF_TEXT if ends[place] else now
    return ids


def write_tokens(
    folder: Path, *, train: int = 4000, validation: int = 700, tokenizer: str = "e", seed: int = 1, pieces: int = 2
) -> Path:
    """A RUN/tokens with `train` and `validation` tokens, the former in several files."""
    fingerprint = write_tokenizer(folder / "tokenizer", tokenizer)
    entries, splits = [], {}
    for split, count, parts in (("train", train, pieces), ("validation", validation, 1)):
        ids = learnable(count, seed if split == "train" else seed + 1000)
        documents = int((ids == END_OF_TEXT).sum())
        splits[split] = {"tokens": count, "documents": documents, "bytes": count * 2}
        for number, piece in enumerate(np.array_split(ids, parts) if parts else []):
            path = folder / f"{split}-{number:05d}.bin"
            path.write_bytes(piece.astype("<u2").tobytes())
            entries.append(
                {
                    "path": path.name,
                    "split": split,
                    "tokens": len(piece),
                    "documents": documents,
                    "bytes": path.stat().st_size,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
            )
    manifest = {
        "tokenizer": {"fingerprint": fingerprint, "vocabulary": VOCABULARY, "end_of_text": END_OF_TEXT},
        "dtype": "uint16",
        "splits": splits,
        "files": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "_SUCCESS").write_bytes(b"")
    return folder

"""Encoding: text a second against Hugging Face's `tokenizers` alone, with the same vocabulary, on the same text.

Real text where it is (see tests/conftest.py), with GPT-2's vocabulary; else generated text and a vocabulary learnt from
it. Each measure is a process of its own, the best of two. The peer is timed on texts that lie in memory, by
`encode_batch_fast`, without what it costs to take the ids out of its results; webtext on one core from texts in memory
to lists of ids, on all cores from Parquet to token files, the start of its processes included. Ratios are given of
wall-clock time, which is what one waits, and of processor time, which other work on the machine hardly changes.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import generate
from benchmarks.material import shared_data
from model import corpus
from model.tokenizer import files, load, peer, training
from model.tokens import parts, working
from model.tokens.parts import Encoder

BYTES = 160_000_000
ROWS_PER_GROUP = 512
ROUNDS = 2

Result = TypeVar("Result")


def real_texts(data: Path) -> list[str]:
    """Brown, speeches, and the beginnings of WebText's own documents."""
    texts = []
    with zipfile.ZipFile(data / "nltk_corpora" / "brown.zip") as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(r"brown/c\w\d\d", name):
                lines = archive.read(name).decode().splitlines()
                texts.append("\n".join(" ".join(word.rsplit("/", 1)[0] for word in line.split()) for line in lines))
    with zipfile.ZipFile(data / "nltk_corpora" / "state_union.zip") as archive:
        texts += [archive.read(name).decode("latin-1") for name in sorted(archive.namelist()) if name.endswith(".txt")]
    for path in sorted((data / "webtext_prefixes").glob("*.jsonl")):
        texts += [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    return texts


def prepare(run: Path) -> str:
    """Write a corpus and a tokenizer into a run; returns what they are."""
    data = shared_data() / "text"
    if data.is_dir():
        texts, vocabulary = real_texts(data), files.read(data / "gpt2_vocab")
        what = "Brown, State of the Union, beginnings of WebText; GPT-2's vocabulary"
    else:
        words = generate.vocabulary()
        texts = list(generate.texts(range(4000), words, 300, 900, copies=0, seed=1))
        vocabulary = training.train([texts], 50_257)
        what = f"generated text; {vocabulary.size:,} entries learnt from it"
    files.write(vocabulary, str(run / "tokenizer"))
    size = sum(len(text.encode()) for text in texts)
    texts *= max(1, BYTES // size)
    table = pa.table({"id": [f"{number:012x}" for number in range(len(texts))], "text": texts})
    folder = run / "corpus" / "data"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "train-00000.parquet", row_group_size=ROWS_PER_GROUP)
    return f"{len(texts):,} texts, {sum(len(text.encode()) for text in texts) / 1e6:.0f} MB: {what}"


def read_texts(run: Path) -> list[str]:
    (path,) = corpus.find(str(run)).files[corpus.TRAIN]
    return [text for batch in corpus.documents(path) for text in batch["text"].to_pylist()]


def digest(ids: Iterable[list[int]]) -> str:
    """A hash of all texts' ids."""
    whole = hashlib.sha256()
    for each in ids:
        whole.update(np.array([len(each), *each], dtype="<u4").data)
    return whole.hexdigest()


class Seconds(NamedTuple):
    """What a piece of work took."""

    wall: float
    processor: float


def best(work: Callable[[], Result]) -> tuple[Seconds, Result]:
    """The least of some rounds, and what the last one gave; processor time with that of processes which ended."""
    rounds = []
    for _ in range(ROUNDS):
        began, before = time.perf_counter(), os.times()
        result = work()
        wall, after = time.perf_counter() - began, os.times()
        rounds.append((wall, sum(after[:4]) - sum(before[:4])))
    return Seconds(min(wall for wall, _ in rounds), min(processor for _, processor in rounds)), result


def measure_peer(run: Path) -> tuple[Seconds, str]:
    texts = read_texts(run)
    tokenizer = peer.full(files.read(run / "tokenizer"))
    seconds, encodings = best(lambda: tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    return seconds, digest(encoding.ids for encoding in encodings)


def measure_one(run: Path) -> tuple[Seconds, str]:
    texts = read_texts(run)
    tokenizer = load(run)
    tokenizer.encode("")
    seconds, encodings = best(lambda: tokenizer.encode_batch(texts))
    return seconds, digest(encodings)


def measure_all(run: Path) -> tuple[Seconds, str]:
    units = parts.units(corpus.find(str(run)))
    encoder = Encoder(str(run / "tokenizer"), files.read(run / "tokenizer").fingerprint)
    target = run / "parts"

    def encode() -> None:
        shutil.rmtree(target, ignore_errors=True)
        working.encode(units, str(target), encoder, 0, lambda _: None)

    seconds, _ = best(encode)
    tokens = np.concatenate([np.fromfile(unit.tokens(str(target)), dtype="<u2") for unit in units])
    ends = np.flatnonzero(tokens == load(run).end_of_text)
    return seconds, digest(piece[:-1].tolist() for piece in np.split(tokens, ends + 1)[:-1])


MEASURES = {"peer": measure_peer, "one": measure_one, "all": measure_all}


def measured(which: str, run: Path, threads: int) -> tuple[Seconds, str]:
    """A measure in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.encoding", "--measure", which, "--run", str(run)]
    variables = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    told = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True).stdout
    wall, processor, ids = told.split()
    return Seconds(float(wall), float(processor)), ids


def compare(run: Path) -> int:
    what = prepare(run)
    size = sum(len(text.encode()) for text in read_texts(run)) / 1e6
    print(what, flush=True)
    cores = len(os.sched_getaffinity(0))
    failed = 0
    for threads, own in [(1, "one"), (cores, "all")]:
        (theirs, their_ids), (ours, our_ids) = measured("peer", run, threads), measured(own, run, threads)
        failed += our_ids != their_ids
        print(
            f"  {threads} core(s): tokenizers {size / theirs.wall:5.1f} MB/s, webtext {size / ours.wall:5.1f} MB/s: "
            f"{theirs.wall / ours.wall:.1f} times as fast ({theirs.processor / ours.processor:.1f} by processor time); "
            f"ids {'equal' if our_ids == their_ids else 'DIFFER'}",
            flush=True,
        )
    return failed


def main() -> int:
    """Compare; returns 1 where ids differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", choices=sorted(MEASURES), help="take this measure of --run and nothing else")
    parser.add_argument("--run", type=Path)
    arguments = parser.parse_args()
    if arguments.measure:
        seconds, ids = MEASURES[arguments.measure](arguments.run)
        print(*seconds, ids)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return min(1, compare(Path(folder)))


if __name__ == "__main__":
    sys.exit(main())

"""De-duplication: signatures a second against other ways of making them, and the whole stage on generated documents."""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.options.pipeline_options import PipelineOptions
from datasketch import MinHash

from benchmarks import generate
from benchmarks.memory import peak_of
from pipeline import minhash
from pipeline.dedup.stage import FindDuplicates

PERMUTATIONS = 128
PARTITIONS = 16


def long_texts(count: int) -> list[str]:
    """Texts of 600 words."""
    words = generate.vocabulary()
    return list(generate.texts(range(count), words, 600, 600, copies=0, seed=1))


def with_update_batch(texts: Sequence[str]) -> None:
    permutations = MinHash(PERMUTATIONS).permutations
    for text in texts:
        sketch = MinHash(PERMUTATIONS, permutations=permutations, scheme="affine32")
        sketch.update_batch([shingle.encode() for shingle in plain_shingles(text)])


def with_bulk(texts: Sequence[str]) -> None:
    MinHash.bulk([[shingle.encode() for shingle in plain_shingles(text)] for text in texts], num_perm=PERMUTATIONS)


def plain_shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[at : at + 5]) for at in range(len(words) - 4)]


def with_numpy(texts: Sequence[str]) -> None:
    """Words hashed once each, shingles and permutations in NumPy."""
    known: dict[str, int] = {}
    factors, terms = minhash.affine_permutations(PERMUTATIONS)
    for text in texts:
        words = text.lower().split()
        for word in words:
            if word not in known:
                known[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "little")
        hashes: npt.NDArray[np.uint32] = np.array([known[word] for word in words], dtype=np.uint32)
        rolling = np.zeros(len(words) - 4, dtype=np.uint32)
        for at in range(5):
            rolling = rolling * np.uint32(0x9E3779B1) + hashes[at : at + len(rolling)]
        (rolling[:, None] * factors + terms).min(axis=0)


def speed(work: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Texts a second of processor time, the best of three: other work on the machine counts little."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        work(texts)
        times.append(time.process_time() - begin)
    return len(texts) / min(times)


def compare_signatures() -> None:
    texts = long_texts(4000)
    own = speed(lambda given: minhash.signatures(given, PERMUTATIONS), texts)
    print(f"signatures of texts of 600 words, {PERMUTATIONS} permutations, one core:")
    print(f"  webtext                  {own:9,.0f} texts/s")
    for name, work in (
        ("datasketch update_batch", with_update_batch),
        ("datasketch bulk", with_bulk),
        ("NumPy on word hashes", with_numpy),
    ):
        other = speed(work, texts[:400])
        print(f"  {name:24} {other:9,.0f} texts/s   webtext is {own / other:.0f} times as fast")


def search(run: Path) -> None:
    """The stage alone, in this process; prints its seconds."""
    begin = time.perf_counter()
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        pipeline | FindDuplicates(str(run), PARTITIONS)
    print(f"{time.perf_counter() - begin:.1f}")


def measure_stage(run: Path, documents: int) -> None:
    generate.write_run(run, documents, PARTITIONS)
    command = [sys.executable, "-m", "benchmarks.dedup", "--search", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    peak = peak_of(process)
    assert process.stdout is not None
    seconds = float(process.stdout.read())
    each = 1e6 * seconds / documents
    print(f"  {documents:9,} documents {seconds:7.1f} s {each:7.0f} us each, peak {peak / 1e9:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="*", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--search", type=Path, help="run the stage on this run directory and nothing else")
    arguments = parser.parse_args()
    if arguments.search:
        search(arguments.search)
        return
    compare_signatures()
    print("the stage on documents of 100 to 200 words, three in ten of them copies, local runner:")
    for documents in arguments.documents:
        with tempfile.TemporaryDirectory() as folder:
            measure_stage(Path(folder), documents)


if __name__ == "__main__":
    main()

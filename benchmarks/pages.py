"""Pages: archives read against a bare FastWARC loop, and time and memory of the stage for more and more captures.

    python -m benchmarks.pages [--archives 'GLOB' ...] [--captures 100000 300000 1000000]

The first table: MB (inflated) and records per second of processor time, on one core, and the ratio to a bare loop of
FastWARC over the same files in the same run. `found` is a scan whose records nobody wants, `hashed` one that measures
the body of every page. Without --archives the files are made up.

The second: the stage `pages` on Beam's local runner over made-up archives, once with as many links as captures and
once with a hundredth of them. A tenth of the captures redirects to a page in another archive.
"""

import argparse
import gzip
import hashlib
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc import ArchiveIterator

from benchmarks.memory import peak_of
from pipeline import schemas, tables, urls
from pipeline.fetch.captures import rows_table
from pipeline.fetch.scan import scan
from webtext import parquet, storage

MEGABYTE = 1_000_000
MAX_BYTES = 10 * 1024 * 1024
FILES = 4
PARTITION_LINKS = 50_000
REDIRECTS = 10
FIRST_DATE = 1_262_304_000
FOUR_WORDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archives", nargs="+", default=[])
    parser.add_argument("--captures", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--stage", nargs=2, metavar=("FOLDER", "PARTITIONS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        run_stage(Path(arguments.stage[0]), int(arguments.stage[1]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        archives = sorted(path for pattern in arguments.archives for path in storage.expand([pattern], "--archives"))
        compare_readers(archives or make_archives(folder / "pages", captures=2000, words=20_000))
        print()
        print(f"{'captures':>10} {'links':>10} {'seconds':>8} {'cpu us each':>11} {'peak MB':>8} {'catalogue MB':>12}")
        for captures in arguments.captures:
            inputs = folder / str(captures)
            make_archives(inputs / "archives", captures, FOUR_WORDS)
            for links in (captures, captures // 100):
                measure_stage(inputs, captures, links)


def compare_readers(archives: Sequence[str]) -> None:
    inflated = sum(sizes_of(archives))
    readers: dict[str, Callable[[], int]] = {
        "FastWARC": lambda: fastwarc_loop(archives, hashed=False),
        "found": lambda: scan_loop(archives, hashed=False),
        "FastWARC, bodies hashed": lambda: fastwarc_loop(archives, hashed=True),
        "hashed": lambda: scan_loop(archives, hashed=True),
    }
    seconds: dict[str, float] = {}
    for name, read in readers.items():
        read()  # the files are in memory, and what is loaded once is loaded
        start = time.process_time()
        records = read()
        seconds[name] = time.process_time() - start
        speed = inflated / seconds[name] / MEGABYTE
        print(f"{name:<26} {speed:>8,.0f} MB/s {records / seconds[name]:>10,.0f} records/s")
    for ours, theirs in (("found", "FastWARC"), ("hashed", "FastWARC"), ("hashed", "FastWARC, bodies hashed")):
        print(f"{ours} to {theirs:<30} {seconds[theirs] / seconds[ours]:>6.2f}")


def sizes_of(archives: Sequence[str]) -> Iterator[int]:
    for path in archives:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            while block := file.read(1 << 20):
                yield len(block)


def fastwarc_loop(archives: Sequence[str], *, hashed: bool) -> int:
    records = 0
    for path in archives:
        for record in ArchiveIterator(path, parse_http=True):
            records += 1
            if hashed:
                hashlib.sha256(record.reader.read()).hexdigest()
    return records


def scan_loop(archives: Sequence[str], *, hashed: bool) -> int:
    records = 0
    for path in archives:
        with Path(path).open("rb") as file:
            records += sum(1 for _ in scan(file, path, lambda _: hashed, MAX_BYTES))
    return records


def measure_stage(inputs: Path, captures: int, links: int) -> None:
    folder = inputs / f"run-{links}"
    partitions = max(4, links // PARTITION_LINKS)
    write_links(folder / "links", captures, links, partitions)
    (folder / "archives").symlink_to(inputs / "archives")
    start = time.perf_counter(), spent_by_children()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.pages", "--stage", str(folder), str(partitions)])
    peak = peak_of(process)
    seconds, processor = time.perf_counter() - start[0], spent_by_children() - start[1]
    if process.returncode:
        raise SystemExit(process.returncode)
    index = [pq.read_table(path, columns=["outcome"]) for path in (folder / "pages/index").glob("*.parquet")]
    outcomes = pa.concat_tables(index)["outcome"].to_pylist()
    assert outcomes.count("fetched") == links, f"{links} links went in, {outcomes.count('fetched')} pages came out"
    catalogues = sum(path.stat().st_size for path in (folder / "pages/_captures").iterdir())
    print(
        f"{captures:>10,} {links:>10,} {seconds:>8.1f} {processor / captures * 1e6:>11.1f} {peak / MEGABYTE:>8.0f} "
        f"{catalogues / MEGABYTE:>12.1f}",
        flush=True,
    )


def spent_by_children() -> float:
    """Seconds of processor time of child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_stage(folder: Path, partitions: int) -> None:
    """The stage alone, in a process of its own, so that nothing else counts in its memory."""
    import apache_beam as beam

    from pipeline import runners
    from pipeline.config import Runner
    from pipeline.fetch.stage import FindPages, Places

    archives = sorted(str(path) for path in (folder / "archives").glob("*.warc.gz"))
    places = Places(str(folder / "links"), str(folder / "pages"), partitions)
    with runners.new_pipeline(Runner()) as pipeline:
        _ = pipeline | FindPages(places, archives, MAX_BYTES) | beam.Map(lambda _: None)


def url_of(number: int) -> str:
    return f"http://site{number % 10_007}.example/2013/06/a-story-about-number-{number}.html"


def write_links(folder: Path, captures: int, links: int, partitions: int) -> None:
    """So many links, each to one of the captures."""
    step = captures // links
    rows: list[tuple[Any, ...]] = []
    for number in range(0, links * step, step):
        url = urls.normalise(url_of(number)) or ""
        rows.append((urls.link_id(url), url, "x.example", 3, FIRST_DATE, []))
    for partition, part in tables.split(tables.sorted_by(rows_table(rows, schemas.LINKS), "id"), partitions):
        parquet.write(str(folder), parquet.part_name(partition), part)


def make_archives(folder: Path, captures: int, words: int) -> list[str]:
    """Archives with so many captures of pages of so many words; each tenth redirects to a page in the next archive."""
    folder.mkdir(parents=True)
    draw = random.Random(captures)
    vocabulary = [f"word{draw.randrange(30_000)}" for _ in range(5000)]
    paths = [folder / f"{number}.warc.gz" for number in range(FILES)]
    files = [path.open("wb") for path in paths]
    try:
        for number in range(captures):
            files[number % FILES].write(gzip.compress(_record(number, words, vocabulary, draw), 1, mtime=0))
            if number % REDIRECTS == 0:
                target = f"http://other{number}.example/"
                files[(number + 1) % FILES].write(gzip.compress(_page(target, words, vocabulary, draw), 1, mtime=0))
    finally:
        for file in files:
            file.close()
    return [str(path) for path in paths]


def _record(number: int, words: int, vocabulary: list[str], draw: random.Random) -> bytes:
    if number % REDIRECTS:
        return _page(url_of(number), words, vocabulary, draw)
    head = f"HTTP/1.1 301 Moved Permanently\r\nLocation: http://other{number}.example/\r\nServer: made up\r\n\r\n"
    return _warc(url_of(number), head.encode())


def _page(url: str, words: int, vocabulary: list[str], draw: random.Random) -> bytes:
    body = f"<!doctype html><title>{url}</title><p>{' '.join(draw.choices(vocabulary, k=words))}</p>"
    head = f"HTTP/1.1 200 OK\r\nServer: made up\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    return _warc(url, f"{head}{body}".encode())


def _warc(url: str, block: bytes) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2010-01-01T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


if __name__ == "__main__":
    main()

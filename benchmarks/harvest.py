"""Harvesting: lines a second against a bare loop, and time and memory for more and more links.

    python -m benchmarks.harvest [--links 100000 300000 1000000]

The dumps are made up: lines of about 1,100 bytes as in 2013, of which a third are posts on Reddit itself, and of the
others 40 % have too little karma. Two tables are printed. The first: lines per second of decompression alone, of a
bare loop (zstd, split, orjson), and of ours, on one core. The second: seconds and peak memory of the stage `links` on
Beam's local runner.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import zstandard

from benchmarks.memory import peak_of
from pipeline.harvest import dumps
from pipeline.harvest.posts import InputFile, read_posts
from pipeline.harvest.rules import Rules

POSTS_PER_LINK = 1.15
REJECTED_PER_POST = 1.5
PARTITION_LINKS = 50_000
FILES = 4
MEGABYTE = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--stage", nargs=3, metavar=("FOLDER", "OUT", "PARTITIONS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        run_stage(Path(arguments.stage[0]), Path(arguments.stage[1]), int(arguments.stage[2]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        compare_readers(Path(temporary))
        print()
        print(f"{'links':>10} {'lines':>10} {'seconds':>8} {'us/line':>8} {'peak MB':>8} {'MB written':>10}")
        for links in arguments.links:
            measure_stage(Path(temporary) / str(links), links)


def compare_readers(folder: Path) -> None:
    harvest_loop(make_dumps(folder / "few", 100, files=1)[0])  # loads what is loaded once
    (path,) = make_dumps(folder / "one", 100_000, files=1)
    readers: dict[str, Callable[[], int]] = {
        "zstd and split": lambda: sum(1 for _ in dumps.lines(str(path))),
        "bare loop: zstd, split, orjson": lambda: bare_loop(path),
        "harvest": lambda: harvest_loop(path),
    }
    seconds: dict[str, float] = {}
    for name, read in readers.items():
        start = time.process_time()
        lines = read()
        seconds[name] = time.process_time() - start
        print(f"{name:<32} {lines / seconds[name]:>10,.0f} lines/s")
    print(f"{'harvest to bare loop':<32} {seconds['bare loop: zstd, split, orjson'] / seconds['harvest']:>10.2f}")


def bare_loop(path: Path) -> int:
    lines, rest = 0, b""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=dumps.ZSTD_WINDOW_BYTES).stream_reader(file)
        while chunk := reader.read(1 << 20):
            *ended, rest = (rest + chunk).split(b"\n")
            for line in ended:
                orjson.loads(line)
            lines += len(ended)
    return lines


def harvest_loop(path: Path) -> int:
    *_, tally = read_posts(InputFile(str(path), "dump"), Rules(), frozenset())
    return tally.lines if not hasattr(tally, "num_rows") else 0


def measure_stage(folder: Path, links: int) -> None:
    make_dumps(folder, links, FILES)
    out = folder / "links"
    partitions = max(4, links // PARTITION_LINKS)
    command = [sys.executable, "-m", "benchmarks.harvest", "--stage", str(folder), str(out), str(partitions)]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    peak = peak_of(process)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(process.returncode)
    lines = line_count(links)
    found = sum(pq.read_metadata(path).num_rows for path in out.glob("part-*.parquet"))
    assert found == links, f"{links} links went in, {found} came out"
    written = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    print(
        f"{links:>10,} {lines:>10,} {seconds:>8.1f} {seconds / lines * 1e6:>8.1f} {peak / MEGABYTE:>8.0f} "
        f"{written / MEGABYTE:>10.0f}"
    )


def run_stage(folder: Path, out: Path, partitions: int) -> None:
    """The stage alone, in a process of its own, so that nothing else counts in its memory."""
    import apache_beam as beam

    from pipeline import runners
    from pipeline.config import Runner
    from pipeline.harvest.blocklists import block_lists
    from pipeline.harvest.stage import HarvestLinks

    paths = sorted(str(path) for path in folder.glob("RS_*.zst"))
    with runners.new_pipeline(Runner()) as pipeline:
        _ = pipeline | HarvestLinks(paths, [], str(out), partitions, lists=block_lists()) | beam.Map(lambda _: None)


def line_count(links: int) -> int:
    return int(links * POSTS_PER_LINK) + int(links * POSTS_PER_LINK * REJECTED_PER_POST)


def make_dumps(folder: Path, links: int, files: int) -> list[Path]:
    """So many links, all posted and some of them twice, among the lines that come to nothing."""
    folder.mkdir(parents=True)
    paths = [folder / f"RS_{number}.zst" for number in range(files)]
    lines = made_up_lines(links)
    per_file = -(-line_count(links) // files)
    for path in paths:
        with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as writer:
            for _, line in zip(range(per_file), lines, strict=False):
                writer.write(line)
    return paths


def made_up_lines(links: int) -> Iterator[bytes]:
    draw = random.Random(links)
    posts = int(links * POSTS_PER_LINK)
    for number in range(line_count(links)):
        is_post = number % (1 + REJECTED_PER_POST) < 1 and posts
        if is_post:
            posts -= 1
        link = posts % links if is_post else draw.randrange(links)
        is_self = not is_post and draw.random() < 0.55
        score = draw.randrange(3, 3000) if is_post else draw.randrange(3)
        yield _line(number, link, score, is_self, draw)


def _line(number: int, link: int, score: int, is_self: bool, draw: random.Random) -> bytes:
    site = f"site{int(links_skew(link))}.example"
    query = f"?id={link}&amp;page=2" if link % 4 == 0 else ""
    url = f"http://www.{site}/2013/06/{link % 28 + 1:02}/a-story-about-number-{link}.html{query}"
    subreddit = f"subreddit{draw.randrange(500)}"
    post: dict[str, object] = {
        "domain": f"self.{subreddit}" if is_self else site,
        "banned_by": None,
        "media_embed": {},
        "subreddit": subreddit,
        "selftext_html": None,
        "selftext": " ".join(["words"] * draw.randrange(200)) if is_self else "",
        "likes": None,
        "secure_media": None,
        "link_flair_text": None,
        "id": f"{number:x}",
        "secure_media_embed": {},
        "clicked": False,
        "stickied": False,
        "author": f"author{draw.randrange(100_000)}",
        "media": None,
        "score": score,
        "approved_by": None,
        "over_18": False,
        "hidden": False,
        "thumbnail": "default",
        "subreddit_id": f"t5_{draw.randrange(10_000)}",
        "edited": False,
        "link_flair_css_class": None,
        "author_flair_css_class": None,
        "downs": 0,
        "saved": False,
        "is_self": is_self,
        "permalink": f"/r/{subreddit}/comments/{number:x}/a_story_about_number_{link}/",
        "name": f"t3_{number:x}",
        "created": 1_370_000_000 + number,
        "url": f"http://www.reddit.com/r/{subreddit}/comments/{number:x}/" if is_self else url,
        "author_flair_text": None,
        "title": f"A story about number {link} that people voted for, or did not",
        "created_utc": 1_370_000_000 + number,
        "ups": score,
        "num_comments": draw.randrange(100),
        "distinguished": None,
    }
    return orjson.dumps(post) + b"\n"


def links_skew(link: int) -> float:
    """A site's number: few sites have most links."""
    return float((link % 10_007) ** 0.7)


if __name__ == "__main__":
    main()

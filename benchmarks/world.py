"""The whole command on a small real web, against what is known of its pages: what is kept, how clean, how fast.

    python -m benchmarks.world [--data ../shared/data/world] [--workers 2] [--command webtext]

Prints one table. The speed is a ratio: pages per second of the whole command over those of a bare pool of as many
processes that runs only the extraction on the same pages (`benchmarks.bare`), in the same run; once as a program is
timed, from its start to its end like the command, and once without its start, records in memory and parsers loaded.

The command of the environment for development is half a second slower to start than that of `make corpus`: Beam imports
pandas and boto3 where tests have brought them. `--command` names one in an environment of requirements/corpus.txt.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.extraction import token_f1
from benchmarks.material import shared_data
from benchmarks.memory import peak_of
from pipeline import urls

GOLD_WORDS = 150
DUPLICATES = ("exact_duplicate", "near_duplicate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=shared_data() / "world", help="the folder world of the real material"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--command", type=Path, default=Path(sys.executable).with_name("webtext"), help="which webtext (%(default)s)"
    )
    parser.add_argument("--run", type=Path, help="keep the run here, or look at one that is there already")
    parser.add_argument(
        "--copies", type=int, default=0, help="measure the speed on so many copies of each page instead"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run = arguments.run or Path(temporary) / "run"
        if arguments.copies:
            links = enlarge(arguments.data, Path(temporary), arguments.copies)
            figures = speed(arguments.command, links, run, arguments.workers)
        else:
            figures = measure(arguments.command, arguments.data, run, arguments.workers)
    for name, value in figures.items():
        print(f"{name:<64} {value}")


def measure(command: Path, world: Path, run: Path, workers: int) -> dict[str, str]:
    """Run the command and the bare pool, and compare the release with the truth."""
    links = {"harvest.dumps": f"{world}/submissions/RS_*.zst", "fetch.archives": f"{world}/pages-*.warc.gz"}
    done = (run / "corpus" / "_SUCCESS").exists()
    return ({} if done else speed(command, links, run, workers)) | quality(world, run)


def speed(command: Path, links: Mapping[str, str], run: Path, workers: int) -> dict[str, str]:
    """The whole command against the bare pool."""
    seconds, peak = build(command, links, run, workers)
    pages = fetched_pages(run)
    columns = ("warc_file", "warc_offset", "warc_length", "final_url")
    rows = "".join(json.dumps({name: page[name] for name in columns}) + "\n" for page in pages)
    program, warm = extract_bare(rows, workers)
    return {
        "pages extracted": f"{len(pages):,}",
        "whole command, pages a second": f"{len(pages) / seconds:.1f}",
        f"bare pool of {workers} processes, as a program": f"{len(pages) / program:.1f}",
        f"bare pool of {workers} processes, its work alone": f"{len(pages) / warm:.1f}",
        "whole command / bare pool as a program": f"{program / seconds:.2f}",
        "whole command / bare pool's work alone": f"{warm / seconds:.2f}",
        "peak memory of all processes together, MB": f"{peak / 1e6:,.0f}",
    }


def extract_bare(rows: str, workers: int) -> tuple[float, float]:
    """Seconds of the bare pool, as a program and of its work alone; it is watched as the whole command is."""
    command = [sys.executable, "-m", "benchmarks.bare", str(workers)]
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write(rows.encode())
        given.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=Path(__file__).resolve().parent.parent, stdin=given, stdout=printed)
        peak_of(process)
        seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"the bare pool ended with {process.returncode}")
        printed.seek(0)
        return seconds, float(printed.read())


def enlarge(world: Path, folder: Path, copies: int) -> dict[str, str]:
    """A larger world, to tell fixed costs from others: each page so many times, under an address of its own."""
    addresses = []
    for archive in sorted(world.glob("pages-*.warc.gz")):
        members = gzip_members(archive.read_bytes())
        with (folder / archive.name).open("wb") as larger:
            for member in members:
                head, blank, body = gzip.decompress(member).partition(b"\r\n\r\n")
                target = re.search(rb"^WARC-Target-URI: (.*?)\r?$", head, re.MULTILINE)
                if target is None:
                    continue
                for copy in range(copies):
                    address = target[1].partition(b"#")[0] + (b"&" if b"?" in target[1] else b"?") + b"copy=%d" % copy
                    addresses.append(address)
                    renamed = head[: target.start(1)] + address + head[target.end(1) :]
                    larger.write(gzip.compress(renamed + blank + body, compresslevel=6, mtime=0))
    (folder / "urls.txt").write_bytes(b"\n".join(addresses))
    return {"harvest.urls": f"{folder}/urls.txt", "fetch.archives": f"{folder}/pages-*.warc.gz"}


def gzip_members(content: bytes) -> Iterator[bytes]:
    """The members of a gzip file, one after the other."""
    while content:
        inflater = zlib.decompressobj(wbits=31)
        inflater.decompress(content)
        rest = inflater.unused_data
        yield content[: len(content) - len(rest)]
        content = rest


def build(command: Path, links: Mapping[str, str], run: Path, workers: int) -> tuple[float, int]:
    """Seconds and peak bytes of `webtext corpus`, started as a user starts it."""
    arguments = [
        str(command),
        *("corpus", "--config", "configs/corpus/webtext.yaml", "--set", f"output={run}"),
        *(argument for key, pattern in links.items() for argument in ("--set", f'{key}=["{pattern}"]')),
        *("--set", "fetch.live=false", "--set", f"extract.workers={workers}"),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(arguments, cwd=Path(__file__).resolve().parent.parent)
    peak = peak_of(process)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    return time.perf_counter() - began, peak


def fetched_pages(run: Path) -> list[dict[str, Any]]:
    """The rows of the page index that were extracted."""
    index = ds.dataset([str(path) for path in sorted((run / "pages" / "index").glob("part-*.parquet"))]).to_table()
    rows: list[dict[str, Any]] = index.filter(pc.equal(index["outcome"], "fetched")).to_pylist()
    return rows


def quality(world: Path, run: Path) -> dict[str, str]:
    """What is kept that should not be, what is lost that should not be, and how clean the text is."""
    release = ds.dataset([str(path) for path in sorted((run / "corpus" / "data").glob("*.parquet"))])
    kept = {row["id"]: row for row in release.to_table(columns=["id", "url", "text"]).to_pylist()}
    ledger = pq.read_table(sorted((run / "corpus" / "ledger").glob("part-*.parquet"))[0].parent)
    reasons = dict(zip(ledger["id"].to_pylist(), ledger["reason"].to_pylist(), strict=True))
    truth = {urls.link_id(urls.normalise(page["url"]) or ""): page for page in pages_of(world)}
    known = [truth[each] for each in kept if each in truth]
    english = {
        each: page
        for each, page in truth.items()
        if page["lang"] == "en" and not page["wikipedia"] and page["eligible"] == "yes" and gold_of(page)
    }
    long_enough = {each for each, page in english.items() if len((gold_of(page) or "").split()) >= GOLD_WORDS}
    survived = {each for each in long_enough if each in kept or reasons.get(each) in DUPLICATES}
    scores = [token_f1(kept[each]["text"], gold_of(english[each]) or "") for each in sorted(english) if each in kept]
    long_scores = [
        token_f1(kept[each]["text"], gold_of(english[each]) or "") for each in sorted(long_enough) if each in kept
    ]
    foreign = [page for page in known if page["lang"] not in (None, "en")]
    lost = sorted(long_enough - survived)
    return {
        "documents kept": f"{len(kept):,}",
        "kept though not eligible": str(sum(page["eligible"] != "yes" for page in known)),
        "kept Wikipedia pages": str(sum(page["wikipedia"] for page in known)),
        f"English pages with gold of {GOLD_WORDS}+ words": str(len(long_enough)),
        "... of which kept or duplicates": f"{len(survived) / max(1, len(long_enough)):.3f}",
        "... mean token F1 of the kept ones": f"{sum(long_scores) / max(1, len(long_scores)):.4f}",
        "mean token F1, gold of any length": f"{sum(scores) / max(1, len(scores)):.4f}",
        "kept in another language": f"{len(foreign) / max(1, len(known)):.4f}",
        "... which": ", ".join(f"{page['lang']} {page['url'][:50]}" for page in foreign[:5]),
        "lost": ", ".join(f"{reasons.get(each)} {truth[each]['url'][:60]}" for each in lost[:12]),
    }


def pages_of(world: Path) -> Iterator[Mapping[str, Any]]:
    """What is known of each page."""
    with gzip.open(world / "truth.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def gold_of(page: Mapping[str, Any]) -> str | None:
    """The page's whole text as people marked it, where they did."""
    if page["gold_kind"] == "full":
        return str(page["gold"])
    if page["gold_kind"] == "full+snippets":
        return str(json.loads(page["gold"])["main_content"])
    return None


if __name__ == "__main__":
    main()

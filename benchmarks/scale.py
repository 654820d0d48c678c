"""More and more links and short documents through links, duplicates and corpus on Beam's local runner: cost and memory.

    python -m benchmarks.scale [--links 100000 300000 1000000] [--folder /somewhere/large]

Dumps and documents are made up (`benchmarks.generate`); making them does not count. The stages run as `webtext corpus`
runs them, in a process of their own whose memory is sampled.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from benchmarks import generate, harvest
from benchmarks.memory import peak_of
from pipeline import children, schemas
from pipeline.config import CorpusConfig
from pipeline.ledger import Stage
from webtext import parquet, settings, storage
from webtext.stages import StageRun
from webtext.storage import FileRecord

if TYPE_CHECKING:
    from pipeline.run import Run

LINKS_PER_PARTITION = 25_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="where the made-up runs go (some 3 GB for a million)")
    parser.add_argument("--stages", nargs=2, metavar=("KIND", "RUN"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stages:
        run_stages(*arguments.stages)
        return
    print(
        f"{'links':>10} {'stage links':>12} {'duplicates and corpus':>22} {'us/link':>8} {'peak MB':>8} {'minutes':>8}"
    )
    for count in arguments.links:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
            measure(Path(temporary), count)


def measure(folder: Path, count: int) -> None:
    """One line of the table."""
    harvest.make_dumps(folder / "dumps", count, files=harvest.FILES)
    first = in_a_process("links", folder)
    make_run(folder / "run", count)
    second = in_a_process("release", folder)
    seconds = first[0] + second[0]
    print(
        f"{count:>10,} {first[0]:>10.1f} s {second[0]:>20.1f} s {1e6 * seconds / count:>8.0f} "
        f"{max(first[1], second[1]) / 1e6:>8,.0f} {seconds / 60:>8.1f}",
        flush=True,
    )


def in_a_process(kind: str, folder: Path) -> tuple[float, int]:
    """Seconds and peak bytes of some stages."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.scale", "--stages", kind, str(folder)])
    peak = peak_of(process)
    if process.returncode:
        raise SystemExit(f"the stages ended with {process.returncode}")
    return time.perf_counter() - began, peak


def run_stages(kind: str, folder: str) -> None:
    """What the process of its own does."""
    from pipeline import run  # Beam is imported here alone

    if kind == "links":
        config = settings.load(CorpusConfig, None, [f"output={folder}/links", f"harvest.dumps=[{folder}/dumps/*]"])
        with children.reading(config):
            run.Run(config).find_links()
        return
    config = settings.load(CorpusConfig, None, [f"output={folder}/run"])
    release(run.Run(config))


def release(run: "Run") -> None:
    """The stages after those that are made up."""
    made = {stage: storage.read_json(f"{run.folder(stage)}/{storage.MANIFEST}") for stage in FABRICATED}
    links, pages, documents = (made[stage] for stage in FABRICATED)
    run.publish(links, pages, documents, run.find_duplicates(links, documents))


FABRICATED = (Stage.LINKS, Stage.PAGES, Stage.DOCUMENTS)


def make_run(run: Path, count: int, shortest: int = 100, longest: int = 200) -> None:
    """The first three stages of a run as if they had been done, with texts of so many words."""
    partitions = max(4, count // LINKS_PER_PARTITION)
    generate.write_run(run, count, partitions, shortest, longest)
    for partition in range(partitions):
        links = parquet.read(str(run / Stage.LINKS / parquet.part_name(partition)))
        parquet.write(str(run / Stage.PAGES / "index"), parquet.part_name(partition), fetched(links))
    counters = {"submissions": count, "submissions_by_reason": {"linked": count}}
    finish(run, Stage.LINKS, {"partitions": partitions}, counters)
    finish(run, Stage.PAGES, {}, {"fetched": count})
    finish(run, Stage.DOCUMENTS, {}, {"kept": count})


def fetched(links: pa.Table) -> pa.Table:
    """An index in which every link has its page."""
    size = links.num_rows
    made = {
        "id": links["id"],
        "url": links["url"],
        "outcome": pa.repeat("fetched", size),
        "reason": pa.repeat("", size),
        "detail": pa.repeat("", size),
    }
    columns = [made.get(field.name, pa.nulls(size, field.type)) for field in schemas.PAGES]
    return pa.table(columns, schema=schemas.PAGES)


def finish(run: Path, stage: Stage, config: dict[str, int], counters: dict[str, object]) -> None:
    """The manifest of a stage whose files are there."""
    folder = run / stage
    files: Sequence[FileRecord] = [
        FileRecord(str(path.relative_to(folder)), path.stat().st_size, "", None) for path in folder.rglob("*.parquet")
    ]
    StageRun(str(folder), stage, config, []).finish(files, counters)


if __name__ == "__main__":
    main()

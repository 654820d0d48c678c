"""More text than memory: made-up documents through duplicates and corpus on an engine that spills, and a tenth of them
through the local runner.

    python -m benchmarks.large [--documents 920000] [--runner spark-local] [--folder /somewhere/large]

A document has 500 to 1,000 words, some 6.5 kB, three in ten of them copies: 920,000 are 6 GB. Making them does not
count, but holds them in memory, and takes minutes and some 5 GB of disk. Measured: seconds, processor seconds,
bytes of text, and peak memory of all processes together.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.compute as pc

from benchmarks import scale
from benchmarks.memory import peak_of, processor_seconds
from pipeline import arguments as options
from pipeline import engines
from pipeline.config import CorpusConfig
from pipeline.ledger import Stage
from webtext import logs, parquet, settings, storage

WORDS = (500, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=920_000)
    parser.add_argument("--runner", default="spark-local")
    parser.add_argument("--folder", type=Path, help="where the made-up runs go")
    parser.add_argument("--stages", nargs=2, metavar=("RUN", "RUNNER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stages:
        run_stages(*given.stages)
        return
    print(
        "| runner | documents | GB of text | seconds | processor seconds | peak memory, GB |\n|---|---|---|---|---|---|"
    )
    costs = []
    for runner, count in (("direct", given.documents // 10), (given.runner, given.documents)):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            costs.append(measure(Path(folder) / "run", runner, count))
    print(f"a document costs {costs[1] / costs[0]:.2f} times what it does on the local runner")


def measure(run: Path, runner: str, count: int) -> float:
    """One line of the table; returns seconds a document."""
    scale.make_run(run, count, *WORDS)
    text = sum(text_bytes(path) for path in (run / Stage.DOCUMENTS).glob("part-*.parquet"))
    began, used = time.perf_counter(), processor_seconds()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.large", "--stages", str(run), runner])
    peak = peak_of(process)
    seconds, used = time.perf_counter() - began, processor_seconds() - used
    if process.returncode:
        raise SystemExit(f"the stages ended with {process.returncode}")
    print(
        f"| {runner} | {count:,} | {text / 1e9:.2f} | {seconds:.0f} | {used:.0f} | {peak / 1e9:.2f} |",
        flush=True,
    )
    return seconds / count


def text_bytes(path: Path) -> int:
    """UTF-8 bytes of a part's texts."""
    return int(pc.sum(pc.binary_length(parquet.read(str(path), ["text"])["text"])).as_py() or 0)


def run_stages(output: str, runner: str) -> None:
    """What the process of its own does."""
    from pipeline import run  # Beam is imported here alone

    logs.set_up("text")
    config = settings.load(CorpusConfig, None, [f"output={output}"], {"runner": options.runner_file(runner)})
    links = storage.read_json(f"{output}/{Stage.LINKS}/{storage.MANIFEST}")
    with engines.ready(config.runner, run.partitions_of(links), Path(output, ".runner")) as engine:
        scale.release(run.Run(config, engine=engine))


if __name__ == "__main__":
    main()

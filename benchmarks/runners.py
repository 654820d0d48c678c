"""The same command on several runners, stage by stage: what an engine costs beside the local runner.

    python -m benchmarks.runners [--data ../shared/data/world] [--runners direct spark-local flink] [--repeat 3]

Prints one table: seconds of each stage. Each runner has its turn in every round; the round that took the least time is
shown, so that what else the machine did weighs little and weighs on all. The shards of all must have the same bytes.
What starts before any work is done (Python, Beam, the job server) counts for the first stage; how long the command
waited for the job server alone has a row of its own.
"""

import argparse
import datetime
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.material import shared_data
from benchmarks.memory import peak_of, processor_seconds
from pipeline.ledger import Stage

WAITED = re.compile(r"runner +the job server of \w+ was waited for ([\d.]+) s")
WHOLE, WAITING = "whole command", "of which waiting for the job server"
PROCESSOR, PEAK = "processor time of all processes", "peak memory, GB"

Figures = Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=shared_data() / "world", help="the folder world of the real material"
    )
    parser.add_argument("--runners", nargs="+", default=["direct", "spark-local", "flink"])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    turns: list[dict[str, Figures]] = []
    digests = set()
    for _ in range(arguments.repeat):
        turns.append({})
        for name in arguments.runners:
            with tempfile.TemporaryDirectory() as folder:
                turns[-1][name] = measure(arguments.data, name, Path(folder) / "run")
                digests.add(digest_of(Path(folder) / "run"))
            print(f"{name}: {turns[-1][name][WHOLE]:.1f} s", file=sys.stderr, flush=True)
    print_table(min(turns, key=lambda turn: sum(figures[WHOLE] for figures in turn.values())))
    print(f"same bytes: {'yes' if len(digests) == 1 else 'NO'}")


def measure(world: Path, runner: str, run: Path) -> Figures:
    """One run of the command: seconds by stage, and memory of all processes together."""
    command = [
        str(Path(sys.executable).with_name("webtext")),
        *("corpus", "--config", "configs/corpus/webtext.yaml", "--runner", runner, "--set", f"output={run}"),
        *("--set", f'harvest.dumps=["{world}/submissions/RS_*.zst"]', "--log-format", "json"),
        *("--set", f'fetch.archives=["{world}/pages-*.warc.gz"]', "--set", "fetch.live=false"),
    ]
    with tempfile.TemporaryFile("w+") as said:
        began, used = time.time(), processor_seconds()
        with subprocess.Popen(
            command, cwd=Path(__file__).parent.parent, stdout=subprocess.DEVNULL, stderr=said
        ) as process:
            peak = peak_of(process)
        ended, used = time.time(), processor_seconds() - used
        said.seek(0)
        lines = said.read().splitlines()
        if process.returncode:
            raise SystemExit("\n".join(lines))
    return {**stages_of(lines, began), WHOLE: ended - began, PROCESSOR: used, PEAK: peak / 1e9}


def stages_of(lines: Sequence[str], began: float) -> dict[str, float]:
    """Seconds by stage, from the command's log."""
    figures = {WAITING: 0.0}
    before = began
    for line in lines:
        entry = json.loads(line)
        now = datetime.datetime.fromisoformat(entry["time"]).timestamp()
        waited = WAITED.match(entry["message"])
        if waited:
            figures[WAITING] = float(waited[1])
        stage = entry["message"].split(" ", 1)[0]
        if entry["level"] == "info" and stage in list(Stage) and "left" not in entry["message"]:
            figures[stage] = now - before
            before = now
    return figures


def digest_of(run: Path) -> str:
    """One sha256 of the release's shards."""
    whole = hashlib.sha256()
    for path in sorted((run / "corpus" / "data").iterdir()):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def print_table(runs: Mapping[str, Figures]) -> None:
    """A row a stage, a column a runner, and how many times the first runner's time each took."""
    first, *others = runs
    print(f"| seconds | {first} | " + " | ".join(f"{name} | times {first}" for name in others) + " |")
    print("|---" * (2 + 2 * len(others)) + "|")
    for row in [*Stage, WHOLE, PROCESSOR]:
        cells = [f"{runs[first][row]:.1f}"]
        for name in others:
            cells += [f"{runs[name][row]:.1f}", f"{runs[name][row] / runs[first][row]:.2f}"]
        print(f"| {row} | " + " | ".join(cells) + " |")
    after = {name: figures[WHOLE] - figures[WAITING] for name, figures in runs.items()}
    print(f"| {WAITING} | - | " + " | ".join(f"{runs[name][WAITING]:.1f} | -" for name in others) + " |")
    print(
        f"| whole command without that | {after[first]:.1f} | "
        + " | ".join(f"{after[name]:.1f} | {after[name] / after[first]:.2f}" for name in others)
        + " |"
    )
    print(
        f"| {PEAK} | {runs[first][PEAK]:.2f} | " + " | ".join(f"{runs[name][PEAK]:.2f} | -" for name in others) + " |"
    )


if __name__ == "__main__":
    main()

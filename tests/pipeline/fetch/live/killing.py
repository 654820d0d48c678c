"""A crawl that is killed with SIGKILL again and again, and goes on each time.

`python -m tests.pipeline.fetch.live.killing FOLDER PORT KILLS SEED`. Prints, as a line of JSON after each kill, when it
was and which links stood in the journal by then; at last, how every link ended. Children are forked from a process that
has imported everything, so that a kill costs its own time only.
"""

import dataclasses
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from pipeline.fetch.live.files import JOURNAL
from tests.pipeline.fetch.live.crawling import AT_ONCE, NAME, crawl

HOSTS, EACH = 20, 40


def addresses(port: int) -> list[str]:
    return [f"http://127.2.0.{number % HOSTS + 1}:{port}/{number // HOSTS}" for number in range(HOSTS * EACH)]


def begin(folder: Path, port: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            crawl(folder, addresses(port), dataclasses.replace(AT_ONCE, concurrency=8))
            code = 0
        finally:
            os._exit(code)
    return child


def told(folder: Path) -> list[str]:
    """The addresses of the links that stand in the journal."""
    path = folder / JOURNAL / f"{NAME}.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [event["url"] for event in map(json.loads, lines) if "page" in event]


def main() -> None:
    folder, port, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    choice = random.Random(seed)
    for _ in range(kills):
        before = len(told(folder))
        child = begin(folder, port)
        deadline = time.monotonic() + 30
        # Some while the run is still being taken up, the others when it has got on by a random number of pages.
        aim = before + choice.choice([0, 1, choice.randrange(2, 60)])
        while len(told(folder)) < aim and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(choice.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"the crawl ended with {os.waitstatus_to_exitcode(status)} before it was killed")
        print(json.dumps({"killed": time.monotonic(), "told": told(folder)}), flush=True)  # noqa: T201
    crawled = crawl(folder, addresses(port), AT_ONCE)
    ends = {url: [event["outcome"], event["reason"]] for url, event in crawled.events.items()}
    print(json.dumps({"ends": ends}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

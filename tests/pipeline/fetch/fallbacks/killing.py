"""Archives that are asked by a process that is killed with SIGKILL again and again, and goes on each time.

`python -m tests.pipeline.fetch.fallbacks.killing FOLDER ARCHIVE PORT KILLS SEED`. Prints, as a line of JSON after each
kill, when it was and how many links had ended by then; at last, how every link ended.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from pipeline.fetch.live.files import JOURNAL
from tests.pipeline.fetch.fallbacks.asked import ask
from tests.pipeline.fetch.live.web import Web

LINKS = 150
STAMP = "20150304120000"


def addresses() -> dict[str, str | None]:
    return {f"http://a{number % 7}.test/{number}": STAMP for number in range(LINKS)}


def begin(folder: Path, archive: str, port: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            ask(folder, archive, Web(port=port), addresses())
            code = 0
        finally:
            os._exit(code)
    return child


def told(folder: Path, archive: str) -> list[dict[str, object]]:
    """The events that stand in the journal."""
    path = folder / JOURNAL / f"{archive}-00000-of-00001.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return list(map(json.loads, lines))


def main() -> None:
    folder, archive, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    kills, choice = int(sys.argv[4]), random.Random(int(sys.argv[5]))
    for _ in range(kills):
        before = len(told(folder, archive))
        child = begin(folder, archive, port)
        deadline = time.monotonic() + 30
        aim = before + choice.choice([0, 1, choice.randrange(2, 30)])
        while len(told(folder, archive)) < aim and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(choice.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"all was asked, with {os.waitstatus_to_exitcode(status)}, before it was killed")
        events = told(folder, archive)
        ended = [event["url"] for event in events if "page" in event]
        questions = [event["of"] for event in events if "index" in event]
        line = {"killed": time.monotonic(), "ended": ended, "questions": questions}
        print(json.dumps(line), flush=True)  # noqa: T201
    asked = ask(folder, archive, Web(port=port), addresses())
    ends = {url: [row["outcome"], row["detail"]] for url, row in asked.rows.items()}
    print(json.dumps({"ends": ends}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

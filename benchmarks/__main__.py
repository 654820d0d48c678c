"""All benchmarks, one after the other, each in a process of its own: `make bench`."""

import subprocess
import sys

BENCHMARKS = (
    ("harvest", "--links", "100000"),
    ("pages",),
    ("extraction",),
    ("dedup",),
    ("scale", "--links", "100000", "300000"),
    ("world",),
    ("fetching",),
    ("simulation",),
    ("encoding",),
    ("training",),
    ("generation",),
    ("shakespeare",),
)


def main() -> int:
    """Run them all; returns how many failed. Those on real pages say so where there are none."""
    failed = 0
    for name, *arguments in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        failed += bool(subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *arguments]))
    return failed


if __name__ == "__main__":
    sys.exit(main())

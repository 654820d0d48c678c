"""The machine: processors, memory and open files, against what the config would use of them."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.doctor.findings import Finding, ok, problem, warning

GIB = 1024**3
CHILD_BYTES = 350_000_000
"""About what a child that extracts has in memory; its limit, `extract.memory_bytes`, is for the worst of pages."""
COMMAND_BYTES = 600_000_000
"""About what the command itself has, Beam's local runner included."""
LINK_BYTES = 800
"""What the local runner holds of a link on its way from one step to the next (benchmarks/pages.py)."""
FEWEST_FILES = 256

_CGROUP = Path("/sys/fs/cgroup")
_MEMORY_LIMITS = (_CGROUP / "memory.max", _CGROUP / "memory" / "memory.limit_in_bytes")
_MEMORY_USED = (_CGROUP / "memory.current", _CGROUP / "memory" / "memory.usage_in_bytes")


class Processors(NamedTuple):
    """present: those of the machine. usable: how many of them this process may use, by affinity and quota."""

    present: int
    usable: float


class Memory(NamedTuple):
    """Bytes: all that this process may use, and what of it is free now."""

    total: int
    free: int


class OpenFiles(NamedTuple):
    """How many this process may have open: as it is, and as many as it may ask for."""

    soft: int
    hard: int


class Extraction(NamedTuple):
    """What the children that extract may use."""

    workers: int
    memory_bytes: int


def look_at_processors() -> Processors:
    """This machine's; in a container, what the container was given."""
    present = os.cpu_count() or 1
    usable = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(present)
    quota = cpu_quota(_text(_CGROUP / "cpu.max"))
    return Processors(present, min(usable, quota) if quota else usable)


def look_at_memory() -> Memory:
    """This machine's; in a container, what the container was given."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = available(_text(Path("/proc/meminfo")))
    free = total if free is None else free
    for limit_file, used_file in zip(_MEMORY_LIMITS, _MEMORY_USED, strict=True):
        limit, used = _text(limit_file).strip(), _text(used_file).strip()
        if limit.isdigit() and int(limit) < total:
            total = int(limit)
            free = min(free, total - (int(used) if used.isdigit() else 0))
    return Memory(total, max(free, 0))


def look_at_open_files() -> OpenFiles:
    """This process's."""
    return OpenFiles(*resource.getrlimit(resource.RLIMIT_NOFILE))


def cpu_quota(text: str) -> float | None:
    """Processors that a control group may use, from its cpu.max (quota and period in microseconds); None for all."""
    parts = text.split()
    if len(parts) == 2 and all(part.isdigit() for part in parts) and int(parts[1]):
        return int(parts[0]) / int(parts[1])
    return None


def available(text: str) -> int | None:
    """Bytes that can be had without swapping, from /proc/meminfo; None where that does not say."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        number = value.split()[0] if value.split() else ""
        if name == "MemAvailable" and number.isdigit():
            return int(number) * 1024
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def check_processors(found: Processors, children: int) -> Finding:
    """Whether there is a processor for every child that extracts."""
    usable = max(1, int(found.usable))
    if children > found.usable:
        return warning(
            "processors",
            f"{children} children would extract on {found.usable:g} processors, and pages would run into their "
            f"deadline: set extract.workers={usable}.",
        )
    return ok("processors", f"{found.usable:g} for {children} children that extract.")


def check_memory(found: Memory, extraction: Extraction, links: int) -> Iterator[Finding]:
    """Whether extraction and the local runner fit. links: about how many there will be."""
    usual = COMMAND_BYTES + CHILD_BYTES * extraction.workers + LINK_BYTES * links
    worst = COMMAND_BYTES + extraction.memory_bytes * extraction.workers
    if usual > found.free:
        yield problem(
            "memory",
            f"about {_gib(usual)} are needed ({extraction.workers} children, {links:,} links) and {_gib(found.free)} "
            "are free: take a larger machine, fewer extract.workers, or another runner.name.",
        )
    elif worst > found.total:
        fitting = max(1, (found.total - COMMAND_BYTES) // extraction.memory_bytes)
        yield warning(
            "memory",
            f"{extraction.workers} children may use {_gib(extraction.memory_bytes)} each, and the machine has "
            f"{_gib(found.total)}: should bad pages meet, the system kills processes; extract.workers={fitting} is "
            "safe, or a smaller extract.memory_bytes.",
        )
    else:
        yield ok("memory", f"{_gib(found.free)} are free and about {_gib(usual)} are needed.")


def check_open_files(found: OpenFiles, attainable: int, concurrency: int | None) -> Finding:
    """Whether the fetcher's connections fit. attainable: files after asking for more. concurrency: None without it.

    Half of the files may be connections, and there are no more requests in flight than that.
    """
    if 0 <= found.hard < FEWEST_FILES:
        return problem("open files", f"at most {found.hard} may be open: raise the limit to 4096 (ulimit -n).")
    if concurrency is not None and attainable // 2 < concurrency:
        return warning(
            "open files",
            f"{attainable:,} may be open, which is enough for {attainable // 2:,} requests in flight and not for "
            f"fetch.concurrency={concurrency}: raise the hard limit to {2 * concurrency:,} (ulimit -Hn).",
        )
    return ok("open files", f"{attainable:,} may be open.")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"

"""How much memory and processor time a process takes together with all that it starts."""

import resource
import subprocess
import time

import psutil

INTERVAL_SECONDS = 0.05


def peak_of(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process's end; returns the largest sum of resident bytes of it and all its descendants, sampled."""
    root, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        peak = max(peak, resident(root))
        time.sleep(INTERVAL_SECONDS)
    return peak


def resident(root: psutil.Process) -> int:
    """Resident bytes of a process and its descendants now; pages that they share count once for each."""
    total = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for each in family:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def processor_seconds() -> float:
    """What the processes that have ended below this one have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

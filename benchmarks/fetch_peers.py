"""Who else asks for the pages of a server: a bare aiohttp loop, and Scrapy."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp

SCRAPY = "scrapy>=2.13"
"""The first whose spiders begin as ours does."""


class Cost(NamedTuple):
    """Seconds by the clock, and of processors."""

    clock: float
    processor: float


def cost_of(work: Callable[[], object]) -> Cost:
    """What it costs this process to do something."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - clock, time.process_time() - processor)


def bare(addresses: Sequence[str], concurrency: int) -> Cost:
    """Ask for all addresses and throw the answers away."""

    async def run() -> None:
        left = iter(addresses)
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

            async def work() -> None:
                for address in left:
                    async with session.get(address) as response:
                        await response.read()

            await asyncio.gather(*(work() for _ in range(concurrency)))

    return cost_of(lambda: asyncio.run(run()))


def scrapy(python: str, addresses: Sequence[str], concurrency: int) -> Cost:
    """Let Scrapy ask for all addresses and store the bodies. python: one that has Scrapy."""
    spider = Path(__file__).with_name("scrapy_spider.py")
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "addresses")
        listed.write_text("\n".join(addresses))
        command = [python, str(spider), str(listed), str(Path(folder, "bodies")), str(concurrency)]
        told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert told["pages"] == len(addresses), told
    return Cost(told["seconds"], told["processor"])


def scrapy_python() -> str:
    """A Python that has Scrapy, in an environment of its own below the user's cache; made where there is none.

    Empty, and told, where it cannot be made: most measurements need no network.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "webtext-benchmarks" / "scrapy"
    python = folder / "bin" / "python"
    if not python.exists() or subprocess.run([python, "-c", "import scrapy"], stderr=subprocess.DEVNULL).returncode:
        uv = str(Path(sys.executable).with_name("uv"))
        try:
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
            subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), SCRAPY], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"left out: Scrapy, which could not be installed ({error})", flush=True)
            return ""
    return str(python)

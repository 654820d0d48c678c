"""The least that extracting pages takes: a pool of processes that runs the cascade, and nothing else.

Reads rows of a page index as JSON lines from stdin; prints for how many seconds the pool worked. `benchmarks.world`
runs it.
"""

import json
import multiprocessing
import sys
import time

from pipeline.extract.rules import ExtractRules
from pipeline.extract.task import Page, ReadPage
from pipeline.ledger import Ending
from pipeline.records import RecordReader

read_page = ReadPage(ExtractRules())


def characters(page: Page) -> int:
    found = read_page(page)
    return 0 if isinstance(found, Ending) else found.char_count


def main() -> None:
    with RecordReader() as reader:
        pages = [
            Page(reader.read(row["warc_file"], row["warc_offset"], row["warc_length"]), row["final_url"])
            for row in map(json.loads, sys.stdin)
        ]
    read_page.warm_up()
    with multiprocessing.get_context("fork").Pool(int(sys.argv[1])) as pool:
        began = time.perf_counter()
        for _ in pool.imap_unordered(characters, pages, chunksize=4):
            pass
        print(time.perf_counter() - began)


if __name__ == "__main__":
    main()

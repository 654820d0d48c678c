"""Scrapy at the same work, a program for a Python that has Scrapy: `PYTHON scrapy_spider.py ADDRESSES STORE AT_ONCE`.

Asks for every line of the file ADDRESSES and appends each body, as it came, to the file STORE. Delays are off, one
request a host and AT_ONCE in all are in flight, robots.txt is obeyed; what we do not do either is off: cookies, undoing
compression, metadata of pages, the console. Prints as JSON Scrapy's version, the seconds from the spider's opening to
its close, those of the processors, and the pages stored.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import scrapy  # type: ignore[import-not-found]
from scrapy.crawler import CrawlerProcess  # type: ignore[import-not-found]

SETTINGS: dict[str, Any] = {
    "USER_AGENT": "webtext-benchmark (+https://example.org/bot)",
    "ROBOTSTXT_OBEY": True,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
    "DOWNLOAD_DELAY": 0,
    "AUTOTHROTTLE_ENABLED": False,
    "COOKIES_ENABLED": False,
    "COMPRESSION_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "REFERER_ENABLED": False,
    "DEPTH_STATS_VERBOSE": False,
    "LOG_LEVEL": "ERROR",
}


class Spider(scrapy.Spider):
    name = "benchmark"

    def __init__(self, addresses: list[str], store: str, **options: Any) -> None:
        super().__init__(**options)
        self.start_urls = addresses
        self.pages = 0
        self._store = Path(store).open("ab")  # noqa: SIM115 - closed with the spider

    @classmethod
    def from_crawler(cls, crawler: Any, *given: Any, **options: Any) -> Any:
        spider = super().from_crawler(crawler, *given, **options)
        crawler.signals.connect(spider.opened, signal=scrapy.signals.spider_opened)
        return spider

    def opened(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def parse(self, response: Any, **_: Any) -> None:
        self._store.write(response.body)
        self.pages += 1

    def closed(self, reason: str) -> None:
        self._store.close()
        seconds, processor = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        told = {"version": scrapy.__version__, "seconds": seconds, "processor": processor, "pages": self.pages}
        print(json.dumps({**told, "reason": reason}), flush=True)


def main() -> None:
    addresses, store, at_once = sys.argv[1:]
    process = CrawlerProcess({**SETTINGS, "CONCURRENT_REQUESTS": int(at_once)})
    process.crawl(Spider, addresses=Path(addresses).read_text().split(), store=store)
    process.start()


if __name__ == "__main__":
    main()

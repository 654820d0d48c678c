"""What a config says of fetching, as the values that fetching takes. Brings an HTTP client along."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline import engines
from pipeline.config import CorpusConfig
from pipeline.fetch.archives import Refuse
from pipeline.fetch.fallbacks.asking import Fallback
from pipeline.fetch.fallbacks.transform import Asking
from pipeline.fetch.live.politeness import Manners
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.transform import Crawling
from webtext.stages import StageRun
from webtext.storage import FileRecord

LIVE_SHARDS = 64
"""Owners of hosts on a cluster; on one machine there is one."""

Judge = Callable[[], Refuse]
"""Makes what refuses a redirect by the address that it leads to."""


def rules(config: CorpusConfig) -> FetchRules:
    """How pages are fetched."""
    section = config.fetch
    return FetchRules(
        contact=section.contact,
        manners=Manners(section.delay_seconds, section.host_budget),
        concurrency=section.concurrency,
        deadline_seconds=section.deadline_seconds,
        max_bytes=section.max_bytes,
        honour_opt_out=config.extract.honour_opt_out,
        opt_out_files=section.opt_out_files,
        also_obey=section.also_obey,
        allow_networks=section.allow_networks,
    )


def crawling(config: CorpusConfig, stage: StageRun, partitions: int, judge: Judge) -> Crawling:
    """How the web itself is asked. stage: its folder, and all that the crawl's answers depend on."""
    shards = 1 if engines.in_this_process(config.runner) else LIVE_SHARDS
    return Crawling(stage.folder, partitions, shards, stage.fingerprint, rules(config), judge)


def asking(
    config: CorpusConfig,
    stage: StageRun,
    partitions: int,
    judge: Judge,
    links: Sequence[FileRecord],
    index: Sequence[FileRecord],
) -> Asking:
    """How archives on the web are asked.

    What one of them answers depends neither on the others nor on how the link ended before: whoever adds an archive to
    the list, or to a run that was live alone, asks nobody again.
    stage: of the pages. links: the links' files. index: the files of Common Crawl's columnar index.
    """
    section = config.fetch
    common: Mapping[str, Any] = {
        "block_lists": stage.config["block_lists"],
        **section.model_dump(include={"max_bytes", "also_obey", "round"}),
        "honour_opt_out": config.extract.honour_opt_out,
    }

    def fallback(name: str, url: str, files: Sequence[FileRecord]) -> Fallback:
        key = dataclasses.replace(stage, config={**common, "archive": name, "url": url}, inputs=[*links, *files])
        return Fallback(name, url, key.fingerprint, tuple(file.path for file in files))

    known = {
        "commoncrawl": fallback("commoncrawl", section.commoncrawl_url, index),
        "wayback": fallback("wayback", section.wayback_url, ()),
    }
    return Asking(stage.folder, partitions, tuple(known[name] for name in section.fallbacks), rules(config), judge)

"""The child processes that extract pages, started before all else: while they load, Beam does, and links are found."""

import contextlib
from collections.abc import Iterator

from pipeline import engines
from pipeline.config import CorpusConfig
from pipeline.extract.rules import ExtractRules
from pipeline.extract.task import ReadPage
from pipeline.ledger import Stage
from pipeline.sandbox import Limits, lease
from webtext import storage


@contextlib.contextmanager
def ready(config: CorpusConfig) -> Iterator[None]:
    """Have the children ready for the stage `documents`, where it runs in this process and is not finished."""
    mark = storage.join(config.output, Stage.DOCUMENTS, storage.SUCCESS)
    if not engines.in_this_process(config.runner) or storage.exists(mark):
        yield
        return
    task = read_page(config)
    with lease(task, limits(config), task.warm_up):
        yield


def read_page(config: CorpusConfig) -> ReadPage:
    """What a child does with a page."""
    section = config.extract
    rules = ExtractRules(
        languages=section.languages,
        min_language_score=section.min_language_score,
        min_words=section.min_words,
        refuse_low_quality=section.refuse_low_quality,
        honour_opt_out=section.honour_opt_out,
    )
    return ReadPage(rules, config.fetch.max_bytes)


def limits(config: CorpusConfig) -> Limits:
    """How many children, and what each may use."""
    section = config.extract
    workers = section.workers or config.runner.worker_cores
    return Limits(workers, deadline_seconds=section.deadline_seconds, memory_bytes=section.memory_bytes)

"""The child processes of a local run, which begin before all else: dumps are read and parsers loaded while Beam loads.

Those that read dumps and merge posts go when the links are there; those that extract wait for pages.
"""

import contextlib
from collections.abc import Iterator

from pipeline import engines, offload
from pipeline.config import CorpusConfig
from pipeline.extract.rules import ExtractRules
from pipeline.extract.task import ReadPage
from pipeline.harvest.inputs import lists_of, partitions_for, rules_of
from pipeline.ledger import Stage
from pipeline.sandbox import Limits, cores, lease
from webtext import storage

WARM_UP = "pipeline.harvest.tasks:warm_up"


@contextlib.contextmanager
def reading(config: CorpusConfig) -> Iterator[None]:
    """Have children for the stage `links`, where it runs in this process, and dumps read ahead if it is not finished.

    Raises UserError for a file that is not there and for a block list that cannot be used.
    """
    section = config.harvest
    places = (config.output, *section.dumps, *section.urls)
    if not engines.in_this_process(config.runner) or not all(map(storage.is_shared, places)):
        yield
        return
    dumps, lists = storage.expand(section.dumps, "harvest.dumps"), storage.expand(section.urls, "harvest.urls")
    sizes = {path: storage.size(path) for path in (*dumps, *lists)}
    partitions = partitions_for(sum(sizes.values()))
    finished = storage.exists(storage.join(config.output, Stage.LINKS, storage.SUCCESS))
    # This process works too, so it is a child less than there are cores.
    count = min((limits(config).workers or cores()) - 1, max(len(sizes), partitions))
    with offload.ready(max(1, count), WARM_UP, at_once=not finished):
        # Beam's own runner holds all posts in memory: there they may wait. New ones of Reddit's would join the dumps.
        if not finished and config.runner.name == "direct" and section.reddit is None:
            from pipeline.harvest import posts, tasks  # slow to import, while the children do the same

            read_file = tasks.ReadFile(partitions, rules_of(section), lists_of(section).subreddits)
            files = posts.input_files(dumps, lists)
            for file in sorted(files, key=lambda file: sizes[file.path], reverse=True):  # what takes long begins early
                offload.begin(read_file, file)
        yield


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

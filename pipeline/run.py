"""From links to release: which stages run, in which order, on what. The only place that knows more than one of them."""

import contextlib
import dataclasses
import functools
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam

from pipeline import children, engines, named_files, offload, results, runners, summaries, watching
from pipeline.config import CorpusConfig
from pipeline.dedup import references
from pipeline.dedup.stage import FindDuplicates
from pipeline.engines import dataflow
from pipeline.extract import stage as extract
from pipeline.extract.files import PartitionFiles
from pipeline.extract.stage import ExtractDocuments
from pipeline.fetch import stage as fetch
from pipeline.fetch.live import files as live_files
from pipeline.fetch.stage import FindPages, Places
from pipeline.harvest import months
from pipeline.harvest import stage as harvest
from pipeline.harvest.blocklists import AddressJudge, BlockLists
from pipeline.harvest.inputs import lists_of, partitions_for, rules_of
from pipeline.harvest.stage import HarvestLinks
from pipeline.ledger import FETCHED, Stage
from pipeline.publish import release
from pipeline.publish.release import ReleaseSettings
from pipeline.publish.stage import PublishRelease
from pipeline.publish.takedown import parse
from webtext import locks, stages, storage
from webtext.errors import UserError
from webtext.stages import Results, StageRun
from webtext.storage import FileRecord

ENGINE_FOLDER = ".runner"
Manifest = Mapping[str, Any]
LIBRARIES = (
    "apache-beam",
    "ada-url",
    "fastwarc",
    "numba",
    "numpy",
    "py3langid",
    "pyarrow",
    "resiliparse",
    "trafilatura",
)
"""What can change a corpus beside webtext itself."""

Work = Callable[[], Results]

log = logging.getLogger("webtext")


def build(config: CorpusConfig, beam_arguments: Sequence[str] = (), until: Stage = Stage.CORPUS) -> str:
    """Make the corpus that a config describes, or finish the one that was begun; returns the last stage's folder.

    beam_arguments: options of the command line for Beam. until: the last stage to do; by default the release.
    Raises UserError for what the user can mend, BooksDoNotBalanceError where links were lost or counted twice.
    """
    _check_runner(config, beam_arguments)
    with locks.only_one(config.output), _engine(config, beam_arguments, until) as engine:
        _perform_all(Run(config, beam_arguments, engine=engine), until)
    return storage.join(config.output, until)


def _check_runner(config: CorpusConfig, beam_arguments: Sequence[str]) -> None:
    if config.runner.name == dataflow.NAME:
        dataflow.check(config, beam_arguments)


@contextlib.contextmanager
def _engine(config: CorpusConfig, beam_arguments: Sequence[str], until: Stage) -> Iterator[engines.Engine]:
    """What the runner needs beside this process; it begins to start where the run is not finished."""
    if config.runner.name == dataflow.NAME:
        yield dataflow.Service(config.runner, beam_arguments)
        return
    links = [
        *storage.expand(config.harvest.dumps, "harvest.dumps"),
        *storage.expand(config.harvest.urls, "harvest.urls"),
    ]
    parts = partitions_for(sum(map(storage.size, links)))
    finished = storage.exists(storage.join(config.output, until, storage.SUCCESS))
    with (
        _folder_for_engines(config.output) as folder,
        engines.ready(config.runner, parts, folder, at_once=not finished) as engine,
    ):
        yield engine


@contextlib.contextmanager
def _folder_for_engines(output: str) -> Iterator[Path]:
    """Below the run, where there is room and where logs are looked for, if the run is on this machine."""
    if storage.is_local(output):
        yield Path(output, ENGINE_FOLDER)
        return
    folder = tempfile.mkdtemp(prefix="webtext-runner-")
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)  # where the run fails it stays: the log tells why


def plan(config: CorpusConfig, beam_arguments: Sequence[str] = (), until: Stage = Stage.CORPUS) -> list[str]:
    """What `build` would do, a line a stage; nothing is written."""
    _check_runner(config, beam_arguments)
    run = Run(config, dry=True)
    lines = [f"output      {config.output}", f"runner      {config.runner.name}"]
    if config.runner.name == dataflow.NAME:
        lines += dataflow.plan(config, beam_arguments)
    if config.harvest.reddit is not None:
        lines.append("reddit      would be asked for new posts, which join the dumps")
    unfinished = None
    try:
        _perform_all(run, until)
    except _WouldRun as first:
        unfinished = first.stage
    order = list(Stage)
    for stage in order[: order.index(until) + 1]:
        if unfinished is None or order.index(stage) < order.index(unfinished):
            lines.append(f"{stage:<12}is finished and unchanged: kept as it is")
        elif stage is unfinished:
            files = run.examined
            size = sum(record.bytes for record in files)
            lines.append(f"{stage:<12}would run on {len(files):,} input files of {size / 1e6:,.1f} MB")
        else:
            lines.append(f"{stage:<12}would run, unless what it depends on turns out the same as before")
    return lines


def _perform_all(run: "Run", until: Stage) -> None:
    for stage in _one_after_another(run):
        if stage is until:
            return


def _one_after_another(run: "Run") -> Iterator[Stage]:
    """Each stage as soon as it is finished."""
    run.check_inputs()
    run.ask_reddit()
    links = run.find_links()
    yield Stage.LINKS
    pages = run.find_pages(links)
    yield Stage.PAGES
    documents = run.extract_documents(links, pages)
    yield Stage.DOCUMENTS
    duplicates = run.find_duplicates(links, documents)
    yield Stage.DUPLICATES
    run.publish(links, pages, documents, duplicates)
    run.release_is_there()
    yield Stage.CORPUS


class _WouldRun(Exception):  # noqa: N818 - it is no error: it ends the plan
    def __init__(self, stage: Stage) -> None:
        self.stage = stage


@dataclasses.dataclass
class Run:
    """One run directory and the config that fills it; each method is a stage and returns the stage's manifest.

    dry: do nothing, and end at the first stage that would do something.
    """

    config: CorpusConfig
    beam_arguments: Sequence[str] = ()
    dry: bool = False
    engine: engines.Engine | None = None
    """What the runner needs beside this process."""
    examined: Sequence[FileRecord] = ()
    """The inputs of the last stage that was looked at."""

    def check_inputs(self) -> None:
        """Raise UserError for the first file of the config that is not there, or not what it should be."""
        named_files.check(self.config)
        _ = self._block_lists  # reads the user's own lists, and complains of them

    def ask_reddit(self) -> None:
        """New posts -> reddit/, as dumps; nothing when the config does not ask for it."""
        section = self.config.harvest
        if section.reddit is None or self.dry:
            return
        # PRAW takes a quarter of a second to import.
        from pipeline.harvest.reddit import rounds
        from pipeline.harvest.reddit.harvest import Wishes

        wishes = Wishes(**section.reddit.model_dump(exclude={"folder", "round"}))
        rounds.begin(
            wishes,
            self._reddit_folder,
            self.config.output,
            section.before,
            self.config.fetch.contact,
            section.reddit.round,
        )

    def release_is_there(self) -> None:
        """All is done: the next time, Reddit is asked again."""
        if self.config.harvest.reddit is not None and not self.dry:
            from pipeline.harvest.reddit import rounds

            rounds.end(self.config.output)

    def find_links(self) -> Manifest:
        """Posts and lists of URLs -> links/."""
        section = self.config.harvest
        dumps = storage.expand(section.dumps, "harvest.dumps")
        if section.reddit is not None:
            dumps = sorted({*dumps, *months.dumps_in(self._reddit_folder)})
        lists = storage.expand(section.urls, "harvest.urls")
        inputs = self._examine([*dumps, *lists])
        partitions = partitions_for(sum(record.bytes for record in inputs))
        blocked = self._block_lists
        config = section.model_dump(mode="json", exclude={"dumps", "urls", "reddit"})
        config |= {"block_lists": digest_of(blocked), "partitions": partitions}
        links = HarvestLinks(dumps, lists, self.folder(Stage.LINKS), partitions, rules_of(section), blocked)
        done = self._perform(self._stage(Stage.LINKS, config, inputs), links, harvest.summed_up)
        offload.rest()
        return done

    def find_pages(self, links: Manifest) -> Manifest:
        """links/ and archives -> pages/index/."""
        section = self.config.fetch
        archives = storage.expand(section.archives, "fetch.archives")
        archive_files = self._examine(archives)
        link_files = stages.outputs_of(links, Stage.LINKS)
        index = self._examine(named_files.commoncrawl_index(self.config))
        inputs = [*archive_files, *link_files]
        blocked = self._block_lists
        config: dict[str, Any] = {"block_lists": digest_of(blocked), "max_bytes": section.max_bytes}
        if section.live:
            config |= section.model_dump(include={"live", "host_budget", "also_obey", "opt_out_files"})
            config |= {"round": section.round} if section.round else {}
            config |= {"honour_opt_out": self.config.extract.honour_opt_out}
        without_fallbacks = stage = self._stage(Stage.PAGES, config, inputs, keeps=live_files.KEPT)
        if section.fallbacks:
            config = config | section.model_dump(include={"fallbacks", "also_obey", "commoncrawl_url", "wayback_url"})
            config |= {"round": section.round} if section.round else {}
            config |= {"honour_opt_out": self.config.extract.honour_opt_out}
            stage = self._stage(Stage.PAGES, config, [*inputs, *index], keeps=live_files.KEPT)
        places = Places(self.folder(Stage.LINKS), stage.folder, partitions_of(links))
        judge = functools.partial(AddressJudge, blocked)
        live, fallbacks = None, None
        if section.live or section.fallbacks:
            from pipeline import fetching  # an HTTP client takes a quarter of a second to import

            if section.live:
                live = fetching.crawling(self.config, without_fallbacks, places.partitions, judge)
            if section.fallbacks:
                fallbacks = fetching.asking(self.config, stage, places.partitions, judge, link_files, index)
        pages = FindPages(places, archives, section.max_bytes, judge, live, fallbacks)
        kept = functools.partial(live_files.archives, stage.folder) if live or fallbacks else tuple
        total = sum(record.bytes for record in archive_files)
        shown = bool(archives) or section.live
        with watching.progress(Stage.PAGES, total, "bytes") if shown else contextlib.nullcontext():
            return self._perform(stage, pages, functools.partial(fetch.summed_up, kept=kept))

    def extract_documents(self, links: Manifest, pages: Manifest) -> Manifest:
        """pages/index/, and the archives that it points into -> documents/."""
        section, permutations = self.config.extract, self.config.dedup.permutations
        inputs = [*stages.outputs_of(links, Stage.LINKS), *stages.outputs_of(pages, Stage.PAGES)]
        config = section.model_dump(mode="json", exclude={"workers", "max_crash_share"})
        config |= {"max_bytes": self.config.fetch.max_bytes, "permutations": permutations}
        stage = self._stage(Stage.DOCUMENTS, config, inputs)
        files = PartitionFiles(
            links=self.folder(Stage.LINKS),
            pages=self.folder(Stage.PAGES),
            documents=stage.folder,
            key=stage.fingerprint,
            permutations=permutations,
        )
        every_partition = "Partitions" >> beam.Create(range(partitions_of(links)))
        hints = dataflow.extraction_hints(self.config)
        documents = ExtractDocuments(files, children.read_page(self.config), children.limits(self.config), hints)
        with watching.progress(Stage.DOCUMENTS, pages["counters"].get(FETCHED, 0), "pages"):
            return self._perform(
                stage, every_partition | documents, functools.partial(extract.summed_up, section.max_crash_share)
            )

    def find_duplicates(self, links: Manifest, documents: Manifest) -> Manifest:
        """documents/, earlier releases and reference texts -> duplicates/."""
        section = self.config.dedup
        reference_files = storage.expand(section.references, "dedup.references")
        inputs = [
            *self._examine([*reference_files, *named_files.earlier_releases(self.config)]),
            *stages.outputs_of(documents, Stage.DOCUMENTS),
        ]
        stage = self._stage(Stage.DUPLICATES, section.model_dump(mode="json", exclude={"references"}), inputs)
        partitions = partitions_of(links)

        def search() -> Results:
            prepared = references.PrepareReferences(reference_files, self.config.output, section.permutations)
            texts = (
                self._gather(stage, prepared, references.summed_up, "references").counters if reference_files else {}
            )
            found = self._gather(
                stage,
                FindDuplicates(
                    run=self.config.output,
                    partitions=partitions,
                    threshold=section.threshold,
                    permutations=section.permutations,
                    keep=section.keep,
                    against=section.against,
                    max_cluster_share=section.max_cluster_share,
                ),
            )
            return dataclasses.replace(found, counters={**found.counters, **texts})

        return self._perform_work(stage, search)

    def publish(self, links: Manifest, pages: Manifest, documents: Manifest, duplicates: Manifest) -> Manifest:
        """Everything -> corpus/, the release."""
        section = self.config.publish
        takedown = named_files.takedown_lists(self.config)
        inputs = [
            *self._examine([*takedown, *named_files.reference_domains(self.config)]),
            *stages.outputs_of(links, Stage.LINKS),
            *stages.outputs_of(pages, Stage.PAGES),
            *stages.outputs_of(documents, Stage.DOCUMENTS),
            *stages.outputs_of(duplicates, Stage.DUPLICATES),
        ]
        config = section.model_dump(mode="json")
        stage = self._stage(Stage.CORPUS, config, inputs)

        def write() -> Results:
            transform = PublishRelease(
                run=self.config.output,
                partitions=partitions_of(links),
                permutations=self.config.dedup.permutations,
                shard_bytes=section.shard_bytes,
                validation_fraction=section.validation_fraction,
                takedown=parse(_lines(takedown), section.takedown),
            )
            found = self._gather(stage, transform)
            settings = ReleaseSettings(
                config=config,
                software=stages.software(LIBRARIES),
                validation_fraction=section.validation_fraction,
                permutations=self.config.dedup.permutations,
                name=section.name,
                contact=section.contact,
                reference_domains=section.reference_domains,
            )
            return release.finish_release(self.config.output, found, settings)

        return self._perform_work(stage, write)

    def folder(self, stage: Stage) -> str:
        """A stage's folder."""
        return storage.join(self.config.output, stage)

    @property
    def _reddit_folder(self) -> str:
        section = self.config.harvest.reddit
        return (section.folder if section is not None else "") or storage.join(self.config.output, "reddit")

    @functools.cached_property
    def _block_lists(self) -> BlockLists:
        return lists_of(self.config.harvest)

    def _examine(self, paths: Sequence[str]) -> list[FileRecord]:
        return stages.examine(paths, self.config.output, remember=not self.dry)

    def _stage(
        self, stage: Stage, config: Mapping[str, Any], inputs: Sequence[FileRecord], keeps: Sequence[str] = ()
    ) -> StageRun:
        self.examined = inputs
        return StageRun(self.folder(stage), stage, config, inputs, LIBRARIES, keeps)

    def _perform(
        self,
        stage: StageRun,
        transform: beam.PTransform,
        summarise: Callable[[Iterable[Any]], Results] = results.added_up,
    ) -> Manifest:
        return self._perform_work(stage, lambda: self._gather(stage, transform, summarise))

    def _perform_work(self, stage: StageRun, work: Work) -> Manifest:
        done = stage.finished()
        if self.dry:
            if done is None:
                raise _WouldRun(Stage(stage.name))
            return done
        manifest = done or stages.perform(stage, work)
        log.info("%s%s", summaries.line(stage.name, manifest["counters"]), " [as before]" if done else "")
        for sentence in [] if done else summaries.remarks(manifest["counters"]):
            log.info("%-11s%s", stage.name, sentence)
        for sentence in [] if done else summaries.warnings(manifest["counters"]):
            log.warning("%s", sentence)
        return manifest

    def _gather(
        self,
        stage: StageRun,
        transform: beam.PTransform,
        summarise: Callable[[Iterable[Any]], Results] = results.added_up,
        job: str = "",
    ) -> Results:
        job = job or stage.name
        left = results.left_behind(stage.folder, job)
        if left is not None:
            log.info("%-11sthe job %s had come to its end: its results are taken", stage.name, job)
            return left
        self._execute(transform | results.WriteResults(stage.folder, job, summarise), job)
        return results.read(stage.folder, job)

    def _execute(self, transform: beam.PTransform, job: str) -> None:
        arguments = [*self.beam_arguments, *dataflow.job_arguments(self.config, job)]
        try:
            runners.execute(lambda pipeline: pipeline | transform, self.config.runner, arguments, self.engine)
        except Exception as error:
            sentence = dataflow.sentence(error) if self.config.runner.name == dataflow.NAME else None
            if sentence is None:
                raise
            raise UserError(sentence) from error
        except BaseException:  # Ctrl-C and SIGTERM
            if self.config.runner.name == dataflow.NAME:
                log.warning("%s", dataflow.goes_on(self.config, job))
            raise


def partitions_of(links: Manifest) -> int:
    """In how many ranges a run's ids are cut, from the manifest of its links."""
    return int(links["config"]["partitions"])


def digest_of(lists: BlockLists) -> str:
    """A hash of block lists, by content."""
    content = {name: sorted(entries) for name, entries in dataclasses.asdict(lists).items()}
    return hashlib.sha256(storage.json_bytes(content)).hexdigest()


def _lines(paths: Sequence[str]) -> list[str]:
    return [line for path in paths for line in storage.read_bytes(path).decode(errors="replace").splitlines()]

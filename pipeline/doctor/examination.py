"""Everything that is looked at, in order: facts are gathered, and what each says is told as soon as it is known.

Nothing leaves for the net unless the config uses the net: fetches live or from other archives, or asks Reddit.
"""

import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline import children
from pipeline.config import CorpusConfig
from pipeline.doctor import disk, inputs, machine, names, reddit, runner, sizes, web
from pipeline.doctor.findings import Finding
from pipeline.doctor.inputs import Input
from pipeline.doctor.sizes import Work
from pipeline.doctor.web import Server
from pipeline.fetch.fallbacks.commoncrawl import index_url
from pipeline.fetch.live.resolving import LookUp, system_look_up
from pipeline.fetch.live.surroundings import attainable_files
from pipeline.harvest.reddit.sources import sources
from pipeline.sandbox import cores
from webtext import storage


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """The world as the doctor finds it, of which tests bring their own."""

    look_up: LookUp = system_look_up
    ask_reddit: reddit.Look = reddit.look
    now: Callable[[], float] = time.time


DEFAULT = Surroundings()


def examine(config: CorpusConfig | None, around: Surroundings = DEFAULT) -> Iterator[Finding]:
    """The findings about this machine, and about a config on it. config: None to look at the machine alone."""
    if config is None:
        yield from _machine(CorpusConfig(output=""), links=0)
        yield disk.check(disk.look("disk", "."), 0)
        yield disk.check(disk.look("temporary", tempfile.gettempdir()), disk.TEMPORARY_BYTES)
        yield web.check_clock(around.now(), _newest([]), ())
        return
    examination = _Examination(config, around)
    yield from examination.of_inputs()
    yield from _machine(config, examination.work.links)
    yield from examination.of_places()
    yield from examination.of_the_net()
    yield from examination.of_runner()


def servers(config: CorpusConfig) -> list[Server]:
    """The servers beside the links' own that a config relies on; Reddit, which wants credentials, is asked apart."""
    section = config.fetch
    found = []
    if "commoncrawl" in section.fallbacks:
        found.append(Server("commoncrawl", f"{section.commoncrawl_url.rstrip('/')}/", bare=True))
        if not section.commoncrawl_index:
            found.append(Server("commoncrawl", f"{index_url(section.commoncrawl_url).rstrip('/')}/collinfo.json"))
    if "wayback" in section.fallbacks:
        found.append(Server("wayback", f"{section.wayback_url.rstrip('/')}/cdx/search/cdx?url=example.org&limit=1"))
    return found


def _machine(config: CorpusConfig, links: int) -> Iterator[Finding]:
    limits = children.limits(config)
    workers = limits.workers or cores()
    yield machine.check_processors(machine.look_at_processors(), workers)
    extraction = machine.Extraction(workers, limits.memory_bytes)
    yield from machine.check_memory(machine.look_at_memory(), extraction, links)
    files = machine.look_at_open_files()
    concurrency = config.fetch.concurrency if config.fetch.live else None
    yield machine.check_open_files(files, attainable_files(files.hard), concurrency)


@dataclasses.dataclass
class _Examination:
    config: CorpusConfig
    around: Surroundings

    @functools.cached_property
    def inputs(self) -> dict[str, Input]:
        """By key, what the config names; keys that name nothing are left out."""
        config = self.config
        keys = [
            ("harvest.dumps", config.harvest.dumps),
            ("harvest.urls", config.harvest.urls),
            ("fetch.archives", config.fetch.archives),
            ("fetch.commoncrawl_index", config.fetch.commoncrawl_index),
            ("dedup.references", config.dedup.references),
            ("publish.takedown", (config.publish.takedown,) if config.publish.takedown else ()),
            ("publish.reference_domains", (config.publish.reference_domains,) * bool(config.publish.reference_domains)),
        ]
        return {found.key: found for found in inputs.named(keys)}

    @functools.cached_property
    def work(self) -> Work:
        size = {key: found.bytes for key, found in self.inputs.items()}
        return sizes.estimate(
            dump_bytes=size.get("harvest.dumps", 0),
            list_bytes=size.get("harvest.urls", 0),
            archive_bytes=size.get("fetch.archives", 0),
            live=self.config.fetch.live,
        )

    def of_inputs(self) -> Iterator[Finding]:
        look_into = {"harvest.dumps": inputs.dump_flaws, "fetch.archives": inputs.archive_flaws}
        for key, found in self.inputs.items():
            some = inputs.spread(found.files) if key in look_into else []
            yield inputs.check(found, look_into[key](some) if some else (), looked_into=len(some))
        if not self.inputs and self.config.harvest.reddit is None:
            yield inputs.nothing_to_begin_with()
        yield from inputs.check_block_lists(self.config.harvest)
        for folder in self.config.dedup.against:
            yield inputs.check_release(folder, whole=storage.exists(storage.join(folder, storage.MANIFEST)))

    def of_places(self) -> Iterator[Finding]:
        output = disk.look("disk", self.config.output)
        yield disk.check(output, self.work.bytes)
        section = self.config.fetch
        for key, wanted in (("live", section.live), ("fallbacks", section.fallbacks)):
            if wanted and output.free is None and not output.flaw:
                yield disk.needs_local(f"fetch.{key}", self.config.output)
        yield disk.check(disk.look("temporary", tempfile.gettempdir()), disk.TEMPORARY_BYTES)

    def of_the_net(self) -> Iterator[Finding]:
        config, contact = self.config, self.config.fetch.contact
        if config.fetch.live:
            yield from self._names()
        if config.fetch.live or config.fetch.fallbacks:
            yield web.check_contact(contact, self._has_address)
            yield web.check_certificates(web.certificates())
        answers = list(web.look_at_servers(servers(config), contact))
        yield from map(web.check_answer, answers)
        section = config.harvest.reddit
        if section is not None:
            first = next(sources(section.subreddits, section.domains))
            yield reddit.check(self.around.ask_reddit(first, contact))
        newest = _newest([path for found in self.inputs.values() for path in found.files])
        ahead = [answer.ahead for answer in answers if answer.ahead is not None]
        yield web.check_clock(self.around.now(), newest, ahead)

    def of_runner(self) -> Iterator[Finding]:
        section = self.config.runner
        found = runner.Software() if section.name == "direct" else runner.look(section)
        local = storage.is_local(self.config.output)
        yield from runner.check(section, found, machine.look_at_memory(), output_is_local=local)

    def _names(self) -> Iterator[Finding]:
        lists = self.inputs.get("harvest.urls")
        wanted = names.listed(lists.files) if lists else []
        if len(self.inputs) > (lists is not None):
            wanted = wanted or list(names.STOCK)
        if not wanted:
            yield names.none_needed()
            return
        answers = names.look(wanted, names.made_up(), self.around.look_up)
        yield from names.check(answers, self.config.fetch.concurrency)

    def _has_address(self, host: str) -> bool:
        answers = names.look([host], [], self.around.look_up)
        return bool(answers.found)


def _newest(files: list[str]) -> float:
    """When the youngest was changed of some local files, webtext's own among them; seconds since 1970."""
    times = [Path(__file__).stat().st_mtime]
    for path in files:
        if storage.is_local(path):
            try:
                times.append(Path(path).stat().st_mtime)
            except OSError:
                continue
    return max(times)

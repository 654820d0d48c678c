"""The pipeline of every job of a run, built but not run, and what a runner would be told of it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.pipeline_context import PipelineContext

from pipeline import flattening, results
from pipeline.dedup.references import PrepareReferences
from pipeline.dedup.stage import FindDuplicates
from pipeline.extract.files import PartitionFiles
from pipeline.extract.rules import ExtractRules
from pipeline.extract.stage import ExtractDocuments
from pipeline.extract.task import ReadPage
from pipeline.fetch.stage import FindPages, Places
from pipeline.harvest.stage import HarvestLinks
from pipeline.publish.stage import PublishRelease
from pipeline.results import WriteResults

GROUP_BY_KEY = common_urns.primitives.GROUP_BY_KEY.urn
PAR_DO = common_urns.primitives.PAR_DO.urn


def transforms(run: str, against: tuple[str, ...], hints: Mapping[str, str]) -> dict[str, beam.PTransform]:
    """What each job does, by its name, as `pipeline.run` puts it together. against: earlier releases."""
    links, pages, documents = f"{run}/links", f"{run}/pages", f"{run}/documents"
    files, read_page = PartitionFiles(links, pages, documents, "key"), ReadPage(ExtractRules(), 1_000_000)
    jobs: dict[str, beam.PTransform] = {
        "links": HarvestLinks([f"{run}/RS_2011-01.zst", f"{run}/RS_2011-02.zst"], [f"{run}/urls.txt"], links, 4),
        "pages": FindPages(Places(links, pages, 4), [f"{run}/a.warc.gz", f"{run}/b.warc.gz"], 1_000_000),
        "documents": "Partitions" >> beam.Create(range(4)) | ExtractDocuments(files, read_page, hints=hints),
        "references": PrepareReferences([f"{run}/wiki.parquet", f"{run}/more.parquet"], run),
        "duplicates": FindDuplicates(run, 4, against=against),
        "corpus": PublishRelease(run, 4, 128),
    }
    return {name: job | WriteResults(f"{run}/{name}", name, results.added_up) for name, job in jobs.items()}


def fill(pipeline: beam.Pipeline, transform: beam.PTransform) -> beam.Pipeline:
    """A pipeline as `pipeline.runners.execute` builds it for any runner but the local one."""
    _ = pipeline | transform
    flattening.give_one_coder(pipeline)
    return pipeline


OUTERMOST = frozenset(
    {
        *("HarvestLinks", "FindPages", "ExtractDocuments", "PrepareReferences", "FindDuplicates", "PublishRelease"),
        "WriteResults",
    }
)


class Step(NamedTuple):
    """A primitive step. name: as runners show it, without what wraps the whole pipeline."""

    name: str
    urn: str
    hints: Mapping[str, bytes]


class Graph:
    """A pipeline's proto."""

    def __init__(self, proto: beam_runner_api_pb2.Pipeline) -> None:
        self._components = proto.components
        self._context = PipelineContext(proto.components)

    def names(self) -> list[str]:
        """Unique names of all steps, composite ones too, without the root's."""
        every = (each.unique_name for each in self._components.transforms.values())
        return sorted(name for name in every if not name.startswith("ref_AppliedPTransform"))

    def steps(self) -> list[Step]:
        """The primitive steps."""
        return [
            Step(short(each.unique_name), each.spec.urn, self._hints(each.environment_id))
            for each in self._components.transforms.values()
            if not each.subtransforms
        ]

    def side_inputs(self) -> list[str]:
        """Names of the steps that have side inputs, once for each."""
        return sorted(
            short(each.unique_name)
            for each in self._components.transforms.values()
            if each.spec.urn == PAR_DO
            for _ in beam_runner_api_pb2.ParDoPayload.FromString(each.spec.payload).side_inputs
        )

    def grouped(self) -> dict[str, tuple[Any, Any]]:
        """The coders of keys and values of what each GroupByKey groups."""
        found = {}
        for each in self._components.transforms.values():
            if each.spec.urn == GROUP_BY_KEY:
                collection = self._components.pcollections[next(iter(each.inputs.values()))]
                found[short(each.unique_name)] = tuple(self._context.coders[collection.coder_id].coders())
        return found

    def upstream(self, name: str) -> Iterator[str]:
        """The primitive steps that lead to one without a shuffle in between, and the shuffles they begin at."""
        makers = {
            output: each
            for each in self._components.transforms.values()
            if not each.subtransforms
            for output in each.outputs.values()
        }
        waiting = [each for each in self._components.transforms.values() if short(each.unique_name) == name]
        while waiting:
            for collection in waiting.pop().inputs.values():
                maker = makers[collection]
                yield short(maker.unique_name)
                if maker.spec.urn != GROUP_BY_KEY:
                    waiting.append(maker)

    def _hints(self, environment: str) -> Mapping[str, bytes]:
        return dict(self._components.environments[environment].resource_hints) if environment else {}


def short(name: str) -> str:
    """A step's name below the transform that is the whole job."""
    parts = name.split("/")
    return "/".join(part for part in parts[1:] if part not in OUTERMOST) or parts[0]

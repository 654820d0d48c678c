"""What a stage's workers did, brought to the command that started them through a file, as every runner can."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import apache_beam as beam
from apache_beam.pvalue import AsIter

from webtext import storage
from webtext.stages import Results
from webtext.storage import FileRecord

RESULTS = "_results.json"


class Result(Protocol):
    """What one element of work wrote and counted; some also have `faults`."""

    @property
    def files(self) -> Sequence[FileRecord]:
        """What was written."""
        ...

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted."""
        ...


def added_up(results: Iterable[Result]) -> Results:
    """The results of all elements as one: files by path, counters of the same name summed, faults in order."""
    files: list[FileRecord] = []
    counters: Counter[str] = Counter()
    faults: set[str] = set()
    for each in results:
        files += each.files
        counters.update(each.counters)
        faults.update(getattr(each, "faults", ()))
    return Results(sorted(files, key=lambda record: record.path), dict(sorted(counters.items())), sorted(faults))


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class WriteResults(beam.PTransform):
    """All results of a stage -> one file in its folder, which `read` gives back.

    summarise: makes one `Results` of all elements. They are small, a few records for each partition.
    """

    folder: str
    summarise: Callable[[Iterable[Any]], Results] = added_up

    def expand(self, results: beam.PCollection[Any]) -> beam.PCollection[FileRecord]:
        """Gather in one place and write."""
        return results.pipeline | "Once" >> beam.Impulse() | "Write results" >> beam.Map(self._write, AsIter(results))

    def _write(self, _: bytes, results: Iterable[Any]) -> FileRecord:
        return storage.write_json(self.folder, RESULTS, dataclasses.asdict(self.summarise(results)))


def read(folder: str) -> Results:
    """The results that the workers left in a stage's folder."""
    content = storage.read_json(storage.join(folder, RESULTS))
    return Results([FileRecord(**record) for record in content["files"]], content["counters"], content["faults"])

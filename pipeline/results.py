"""What a job's workers did, brought to the command that started them through a file, as every runner can.

The file is written when all else of a job is. So it also tells the next command, when the one that sent the job died
or was stopped meanwhile, that the job came to its end.
"""

import dataclasses
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import apache_beam as beam
from apache_beam.pvalue import AsIter

from webtext import storage
from webtext.stages import Results
from webtext.storage import FileRecord


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
    """All results of a job -> one file in its stage's folder, which `read` gives back.

    summarise: makes one `Results` of all elements. They are small, a few records for each partition.
    """

    folder: str
    job: str
    summarise: Callable[[Iterable[Any]], Results] = added_up

    def expand(self, results: beam.PCollection[Any]) -> beam.PCollection[FileRecord]:
        """Gather in one place and write."""
        return results.pipeline | "Once" >> beam.Impulse() | "Write results" >> beam.Map(self._write, AsIter(results))

    def _write(self, _: bytes, results: Iterable[Any]) -> FileRecord:
        return storage.write_json(self.folder, _name(self.job), dataclasses.asdict(self.summarise(results)))


def read(folder: str, job: str) -> Results:
    """The results that a job's workers left in its stage's folder."""
    content = storage.read_json(storage.join(folder, _name(job)))
    return Results([FileRecord(**record) for record in content["files"]], content["counters"], content["faults"])


def left_behind(folder: str, job: str) -> Results | None:
    """The results of a job that came to its end though the command that sent it did not; None where there are none.

    Those with faults do not count, since what the user changed may have mended them, nor those whose files are gone or
    that name none, of which nobody can tell.
    """
    if not storage.exists(storage.join(folder, _name(job))):
        return None
    found = read(folder, job)
    return found if found.files and not found.faults and _are_there(folder, found.files) else None


def _are_there(folder: str, files: Iterable[FileRecord]) -> bool:
    wanted = {storage.join(folder, record.path) for record in files}
    folders = {posixpath.dirname(path) for path in wanted}
    return wanted <= {path for each in folders for path in storage.list_files(each, "*")}


def _name(job: str) -> str:
    return f"_results-{job}.json"

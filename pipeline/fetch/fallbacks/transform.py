"""Dead links -> their pages from archives on the web, one archive after the other, as a PTransform.

All links that an archive is asked for are gathered in one place, since an archive has one owner who keeps its pace.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pipeline import schemas, tables
from pipeline.fetch.fallbacks.asking import DEAD, Fallback, ask_one
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.surroundings import Refuse, Surroundings
from pipeline.fetch.live.transform import Packed

_COUNTED = "counted"
_LEFT = "left"
_PAGES = "pages"


@dataclasses.dataclass(frozen=True)
class Asking:
    """What asking archives needs to know, wherever it runs."""

    folder: str
    """The folder of the pages, on a local file system."""
    partitions: int
    fallbacks: tuple[Fallback, ...]
    """In the order in which they are asked."""
    rules: FetchRules
    judge: Callable[[], Refuse]
    """Makes, once a worker, what refuses a redirect by the address that it leads to."""
    around: Surroundings = dataclasses.field(default_factory=Surroundings)


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class AskArchives(beam.PTransform):
    """(any key, DEAD rows, packed) -> (partition, PAGES rows, packed), one for each link, and counters."""

    asking: Asking

    def expand(
        self, links: beam.PCollection[Packed]
    ) -> "tuple[beam.PCollection[Packed], beam.PCollection[Mapping[str, int]]]":
        """Ask one archive after the other for what those before it do not have."""
        pages, counted = [], []
        for fallback in self.asking.fallbacks:
            ask = _Ask(self.asking, fallback, last=fallback is self.asking.fallbacks[-1])
            asked = (
                links
                | f"To the owner of {fallback.name}" >> beam.MapTuple(lambda _, packed: (0, packed))
                | f"Gather for {fallback.name}" >> beam.GroupByKey()
                | f"Ask {fallback.name}" >> beam.ParDo(ask).with_outputs(_LEFT, _COUNTED, main=_PAGES)
            )
            pages.append(asked[_PAGES])
            counted.append(asked[_COUNTED])
            links = asked[_LEFT]
        return pages | "Pages" >> beam.Flatten(), counted | "Counts" >> beam.Flatten()


class _Ask(beam.DoFn):
    """All links that an archive is asked for -> those that are settled then, and those for the next archive."""

    def __init__(self, asking: Asking, fallback: Fallback, *, last: bool) -> None:
        self._asking = asking
        self._fallback = fallback
        self._last = last

    def setup(self) -> None:
        self._refuse = self._asking.judge()

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[Any]:
        _, packed = element
        asking = self._asking
        around = dataclasses.replace(asking.around, refuse=self._refuse)
        found = ask_one(tables.unpack(packed, DEAD), asking.folder, self._fallback, asking.rules, around)
        pages = [found.settled, found.left.select(schemas.PAGES.names)] if self._last else [found.settled]
        for partition, part in tables.split(pa.concat_tables(pages), asking.partitions):
            yield partition, tables.pack(part)
        for partition, part in () if self._last else tables.split(found.left, asking.partitions):
            yield beam.pvalue.TaggedOutput(_LEFT, (partition, tables.pack(part)))
        yield beam.pvalue.TaggedOutput(_COUNTED, found.counters)

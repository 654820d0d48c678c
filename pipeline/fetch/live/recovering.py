"""What sites said to earlier runs: read again from the records that the journal tells of, instead of asking anew."""

import dataclasses

from pipeline.fetch.live import judging, reserving
from pipeline.fetch.live.journal import Event, place_of
from pipeline.fetch.live.reservations import NOTHING, Reservation
from pipeline.fetch.live.robots import ALLOW_ALL, Robots, Standing
from pipeline.fetch.live.rules import FetchRules
from pipeline.ledger import Ending
from pipeline.records import RecordReader
from pipeline.warc import HttpHead, unpack_record
from webtext import storage


@dataclasses.dataclass(frozen=True)
class Recovering:
    """Reads what events kept. folder: where the journal's WARC files lie."""

    folder: str
    rules: FetchRules
    reader: RecordReader

    def robots(self, event: Event) -> Robots | None:
        """What a robots.txt says; None where it must be read anew."""
        if event["standing"] == Standing.ABSENT.value:
            return ALLOW_ALL
        record = self._record(event)
        if event["standing"] != Standing.PRESENT.value or record is None:
            return None
        read = judging.read_robots(*record, self.rules)
        return None if isinstance(read, Ending) else read

    def reservation(self, event: Event) -> Reservation | None:
        """What a file says in which a site keeps things for itself; None where it must be read anew."""
        if event["standing"] == Standing.ABSENT.value:
            return NOTHING
        record = self._record(event)
        return None if record is None else reserving.read(event["in"], *record, self.rules)

    def _record(self, event: Event) -> tuple[HttpHead, bytes] | None:
        """The head and the payload of an answer."""
        place = place_of(event)
        if place is None:
            return None
        member = self.reader.read(storage.join(self.folder, place.file), place.offset, place.length)
        record = unpack_record(member, self.rules.max_bytes)
        return None if isinstance(record, Ending) or record.http is None else (record.http, record.payload)

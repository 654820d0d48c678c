"""What stands in the journal of an archive: which links have ended, where redirects led, what its index has said.

Beside the events that `pipeline.fetch.live.journal` tells of there is

    {"index": ID, "of": QUESTION, "held": [...]}   what the archive's index says of an address, for a link
    {"fact": ...}                                  what the archive says of itself

so that neither an index nor a record is asked for twice, however often a run is killed.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.fetch.fallbacks.held import Held
from pipeline.fetch.live.journal import Event, Journal
from pipeline.fetch.live.links import Links, Trail


class Notes:
    """Links, and what the journal knows of them."""

    def __init__(self, links: Links, journal: Journal) -> None:
        self.links = links
        self.fact: Any = None
        """What the archive has said of itself, None where that is not known."""
        self._journal = journal
        self._trails: dict[int, Trail] = {}
        self._answers: dict[int, dict[str, int]] = {}  # by row and question, the lines that hold the answers

    def recover(self, key: str) -> None:
        """Take from the journal what is known: pages under every config, all else under the same (`key`) alone."""
        for line, event, same in self._journal.recall(key):
            if "page" in event:
                row = self.links.row(event["page"])
                if row is not None:
                    self.end(row, line)
            elif same and "fact" in event:
                self.fact = event["fact"]
            elif same and "index" in event:
                row = self.links.row(event["index"])
                if row is not None:
                    self.answered(row, event["of"], line)
            elif same and "hop" in event:
                row = self.links.row(event["hop"])
                if row is not None:
                    self.follow(row, tuple(event["trail"]))

    def trail(self, row: int) -> Trail:
        """Where a link has led so far; its last address is the one to ask for."""
        return self._trails.get(row) or self.links.trail(row)

    def follow(self, row: int, trail: Trail) -> None:
        """A link leads on."""
        self._trails[row] = trail

    def answered(self, row: int, question: str, line: int) -> None:
        """The index has answered a question for a link, which stands in the line that begins at this byte."""
        self._answers.setdefault(row, {})[question] = line

    def answer(self, row: int, question: str) -> list[Held] | None:
        """What the index has answered, None when it has not been asked."""
        line = self._answers.get(row, {}).get(question)
        return None if line is None else [Held(*each) for each in self._journal.read(line)["held"]]

    def end(self, row: int, line: int) -> None:
        """It stands in a line how a link ended; what was known on the way is of no use any more."""
        self.links.end(row, line)
        self._answers.pop(row, None)
        self._trails.pop(row, None)

    def ending(self, row: int) -> Event | None:
        """How a link ended, None when it has not."""
        line = self.links.line(row)
        return None if line is None else self._journal.read(line)


def index_event(link_id: str, question: str, held: Sequence[Held]) -> dict[str, Any]:
    """The event that tells what an index said."""
    return {"index": link_id, "of": question, "held": [list(each) for each in held]}

"""A search: links that are dead, looked for in one archive on the web, each to its end.

What the archive answers stands in its journal before it is acted upon, so a search that is killed goes on where it was:
it asks again for at most what was in flight.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

import webtext
from pipeline.fetch.fallbacks.archive import Archive, Ask
from pipeline.fetch.fallbacks.dead import without
from pipeline.fetch.fallbacks.held import Held, asked_in_turn
from pipeline.fetch.fallbacks.notes import Notes, index_event
from pipeline.fetch.fallbacks.taken import LeadsOn, is_final, judged, private_address
from pipeline.fetch.live.addresses import networks
from pipeline.fetch.live.journal import Event, Journal
from pipeline.fetch.live.links import Trail
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.scribe import Scribe, fields_of
from pipeline.fetch.live.surroundings import Surroundings
from pipeline.fetch.live.working import StoppedError, together, watched
from pipeline.ledger import FETCHED, Ending, Outcome, Reason, failed
from webtext.pace import in_words

STOP_SECONDS = 0.5
"""Between two looks at whether to stop."""
TELL_SECONDS = 30.0
NO_CAPTURE = "no capture"

log = logging.getLogger("webtext")


class Search:
    """The links that one archive is asked for; for the loop in which it was made."""

    def __init__(
        self,
        archive: Archive,
        notes: Notes,
        created: Sequence[int | None],
        journal: Journal,
        rules: FetchRules,
        around: Surroundings,
    ) -> None:
        """Get ready. created: by row, the moment that a link's capture should be near to."""
        self._archive = archive
        self._notes = notes
        self._created = created
        self._journal = journal
        self._rules = rules
        self._around = around
        self._allowed = networks(rules.allow_networks)
        self._scribe = Scribe(journal, rules.max_bytes)
        self.unasked: dict[int, Ending] = {}
        """By row, why the archive could not say of a link whether it has it."""
        self._counts: Counter[str] = Counter()

    @property
    def counters(self) -> dict[str, int]:
        """What was done, for the manifest."""
        requests = sum(desk.requests for desk in self._archive.desks)
        return {f"{self._archive.name}_requests": requests}

    async def run(self, key: str) -> None:
        """Bring every link to its end.

        key: tells the config, see `Notes.recover`. Raises StoppedError when it is asked to stop, UserError when the
        disk is full or the archive's address may not be reached.
        """
        self._notes.recover(key)
        software = [("software", f"webtext/{webtext.__version__}"), ("format", "WARC File Format 1.1")]
        self._journal.begin(key, software, int(time.time()))
        try:
            await watched(self._bring_all(), self._watch())
        finally:
            for desk in self._archive.desks:
                await desk.close()
            await self._scribe.close()
            self._tell()

    async def _bring_all(self) -> None:
        """Bring all links on, a round for each redirect that they follow."""
        links = self._notes.links
        left = [row for row in range(len(links)) if not links.ended(row)]
        self._counts["links"] = len(links) - len(left)
        seconds = len(left) * self._archive.seconds_a_link
        least = f", in no less than {in_words(seconds)}" if seconds else ""
        log.info("%-11s%s", "pages", f"{self._archive.name}: {len(left):,} links to look for{least}")
        if left:
            learned = await self._archive.begin(self._notes.fact)
            if learned is not None:
                await self._scribe.keep({"fact": learned})
        while left:
            await self._archive.look_ahead([self._notes.trail(row)[-1] for row in left])
            led_on: list[int] = []
            rows = iter(left)
            await together([self._work(rows, led_on) for _ in range(self._archive.at_once)])
            left = sorted(led_on)

    async def _work(self, rows: Iterator[int], led_on: list[int]) -> None:
        for row in rows:
            if await self._leads_on(row):
                led_on.append(row)
            else:
                self._counts["links"] += 1

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            await asyncio.sleep(STOP_SECONDS)
            if self._around.stopping():
                raise StoppedError
            if loop.time() - told >= TELL_SECONDS:
                told = loop.time()
                self._tell()

    def _tell(self) -> None:
        counts = self._counts
        requests = sum(desk.requests for desk in self._archive.desks)
        log.info(
            "%-11s%s",
            "pages",
            f"{self._archive.name}: {counts['links']:,} of {len(self._notes.links):,} links looked for, "
            f"{counts['held']:,} found in its index, {counts[FETCHED]:,} taken; {requests:,} requests",
        )

    async def _leads_on(self, row: int) -> bool:
        """Bring a link to its end, or to where a redirect that the archive holds leads on to."""
        trail, at = self._notes.trail(row), self._created[row]
        inside = private_address(trail[-1], self._allowed)
        if inside is not None:
            await self._end_without(row, inside)
            return False
        held = await self._archive.captures(trail[-1], at, self._asking(row))
        if isinstance(held, Ending):
            await self._end_without(row, held)
            return False
        if held and len(trail) == 1:
            self._counts["held"] += 1
        last = await self._first_page(row, trail, asked_in_turn(held, at))
        if isinstance(last, LeadsOn):
            self._notes.follow(row, (*trail, last.target))
            return True
        if last is not None:
            on_the_way = len(trail) > 1 and last.reason is Reason.NOT_IN_ARCHIVE
            await self._end_without(
                row, last._replace(detail=f"leads to {trail[-1]}: {last.detail}") if on_the_way else last
            )
        return False

    async def _end_without(self, row: int, ending: Ending) -> None:
        """A link has no page here: for good, which is written down, or because the archive had trouble."""
        if ending.reason is Reason.NOT_IN_ARCHIVE or is_final(ending):
            await self._end(row, fields_of(ending))
        else:
            self.unasked[row] = ending

    def _asking(self, row: int) -> Ask:
        async def ask(question: str, find: Callable[[], Awaitable[list[Held] | Ending]]) -> list[Held] | Ending:
            known = self._notes.answer(row, question)
            if known is not None:
                return known
            found = await find()
            if not isinstance(found, Ending):
                written = await self._scribe.keep(index_event(self._notes.links.id(row), question, found))
                self._notes.answered(row, question, written.line)
            return found

        return ask

    async def _first_page(self, row: int, trail: Trail, captures: Sequence[Held]) -> LeadsOn | Ending | None:
        """Ask for captures until one is a page (None: it is written down), or leads on, or ends the link."""
        last = failed(Reason.NOT_IN_ARCHIVE, NO_CAPTURE)
        trouble: Ending | None = None
        for held in captures:
            taken = await self._archive.take(held)
            if isinstance(taken, Ending):
                if taken.outcome is Outcome.DEFERRED or is_final(taken):
                    return taken
                if taken.outcome is Outcome.FAILED and taken.reason is not Reason.NOT_IN_ARCHIVE:
                    trouble = taken
                else:
                    last = without(taken)
                continue
            verdict = judged(taken, self._rules, self._around.refuse, trail)
            if isinstance(verdict, Ending):
                if is_final(verdict):
                    return verdict
                last = without(verdict)
                continue
            if isinstance(verdict, LeadsOn):
                await self._scribe.keep(
                    {"hop": self._notes.links.id(row), "trail": [*trail, verdict.target]}, [taken.record]
                )
                return verdict
            await self._end(row, verdict, [taken.record])
            self._counts[FETCHED] += 1
            return None
        return trouble or last

    async def _end(self, row: int, fields: Event, records: Sequence[bytes] = ()) -> None:
        event = {"page": self._notes.links.id(row), "url": self._notes.links.trail(row)[0], **fields}
        written = await self._scribe.keep(event, records)
        self._notes.end(row, written.line)

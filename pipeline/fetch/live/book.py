"""How the links of a shard end: from the journal of earlier runs, through this one, to the answers."""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pipeline import urls
from pipeline.fetch.live import robots
from pipeline.fetch.live.journal import Event, Journal, place_of
from pipeline.fetch.live.lanes import PageErrand
from pipeline.fetch.live.links import Links, Trail
from pipeline.fetch.live.scribe import fields_of
from pipeline.fetch.live.transfer import Exchange
from pipeline.ledger import FETCHED, Ending, Outcome, Reason, deferred

_LASTING = frozenset({Reason.NOT_HTML, Reason.OPT_OUT, Reason.TOO_LARGE})
_OF_ITS_PLACE = frozenset({"page", "url", "file", "offset", "length", "end"})


class Found(NamedTuple):
    """What earlier runs left for this one, beside the links that have ended."""

    hops: Mapping[int, Trail]
    """Rows of links that have followed redirects."""
    hosts: Mapping[str, Ending]
    """Hosts that were closed, and how their links end."""
    words: Mapping[str, Event]
    """By origin, the youngest event about its robots.txt."""
    reserved: Mapping[tuple[str, str], Event]
    """By origin and name, the youngest event about the file of that name in which it keeps things for itself."""


class Book:
    """Links, and what stands about them in a journal."""

    def __init__(self, links: Links, journal: Journal, host_budget: int) -> None:
        self.links = links
        self.left: dict[int, Trail] = {}
        """Rows of links that lead to hosts of other shards, and their trails."""
        self._journal = journal
        self._host_budget = host_budget
        self._visited: dict[str, int] = {}  # addresses that redirects led to, and the lines that tell of them

    def recover(self, key: str) -> Found:
        """Take from the journal what is known.

        key: tells the config. Pages, and what robots.txt said, hold under every config, all else only under the same.
        """
        hops: dict[int, Trail] = {}
        hosts: dict[str, Ending] = {}
        words: dict[str, Event] = {}
        reserved: dict[tuple[str, str], Event] = {}
        for line, event, same in self._journal.recall(key):
            if "page" in event:
                row = self.links.row(event["page"])
                if row is not None:
                    self.end(row, event, line, earlier=not same)
            elif "robots" in event:
                words[event["robots"]] = event
            elif "reserved" in event:
                reserved[event["reserved"], event["in"]] = event
            elif same and "hop" in event:
                row = self.links.row(event["hop"])
                # A link may come back from another shard, having led further than this journal knows.
                if row is not None and len(event["trail"]) > len(self.links.trail(row)):
                    hops[row] = tuple(event["trail"])
            elif same and "host" in event:
                hosts[event["host"]] = ending_of(event)
        now = time.time()

        def is_young(event: Event) -> bool:
            return bool(0 <= now - event["at"] < robots.KEPT_SECONDS)

        return Found(
            {row: trail for row, trail in hops.items() if not self.links.ended(row)},
            hosts,
            {origin: event for origin, event in words.items() if is_young(event)},
            {place: event for place, event in reserved.items() if is_young(event)},
        )

    def end(self, row: int, event: Event, line: int, *, earlier: bool = False) -> None:
        """The journal says how a link ends, in the line that begins at this byte.

        earlier: it did under another config; such a link takes no place in its host's budget.
        """
        self.links.end(row, line, earlier=earlier)
        if event["final_url"] != event["url"]:
            self._visited[event["final_url"]] = line

    def known(self, errand: PageErrand) -> Event | None:
        """What is known of the address from another link that led there, None when it is to be asked."""
        line = self._visited.get(errand.url)
        if line is None and errand.trail:
            row = self.links.row(urls.link_id(urls.normalise(errand.url) or errand.url))
            line = None if row is None or row == errand.row else self.links.line(row)
        if line is None:
            return None
        event = self._journal.read(line)
        # What depends on the moment, or on how one came there, is found out anew.
        lasting = event["outcome"] == FETCHED or event["reason"] in _LASTING
        return event if lasting and event["final_url"] == errand.url else None

    def endings(self, hosts: Mapping[str, Ending]) -> Iterator[tuple[str, Event]]:
        """Ids, and how each link ended; those that were left to other shards are left out.

        hosts: how the links end of hosts that were closed, where no line says otherwise.
        """
        for row in self.links.ended_earlier():
            line = self.links.line(row)
            assert line is not None
            yield self.links.id(row), self._journal.read(line)
        over_budget = fields_of(deferred(Reason.HOST_BUDGET, f"more than {self._host_budget}"))
        for host, rows in self.links.by_host():
            for number, row in enumerate(rows):
                line = self.links.line(row)
                if line is not None:
                    yield self.links.id(row), self._journal.read(line)
                elif row not in self.left:
                    ending = over_budget if number >= self._host_budget else fields_of(hosts[host])
                    yield self.links.id(row), {"url": self.links.trail(row)[0], **ending}


def page_event(
    errand: PageErrand, ending: Ending | None, exchange: Exchange | None = None, final_url: str = ""
) -> tuple[Event, Exchange | None]:
    """How a link ends, and what of the exchange is kept; `ending` is None when it has its page."""
    event: Event = {"page": errand.id, "url": (*errand.trail, errand.url)[0], "final_url": final_url or errand.url}
    if exchange is not None:
        kind = exchange.head.headers.get("content-type", "")
        event |= {"status": exchange.head.status, "content_type": kind, "at": exchange.at}
    if ending is not None:
        event |= fields_of(ending)
    else:
        flaw = exchange.truncated if exchange else ""
        event |= {"outcome": FETCHED, "reason": "", "detail": f"not whole: {flaw}" if flaw else ""}
    return event, None if exchange is None or exchange.truncated == "length" else exchange


def same_event(errand: PageErrand, known: Event) -> Event:
    """A link ends as another one did that led to the same address."""
    event = {name: value for name, value in known.items() if name not in _OF_ITS_PLACE}
    place = place_of(known)
    if place is not None:
        event["at_place"] = list(place)
    return {**event, "page": errand.id, "url": (*errand.trail, errand.url)[0]}


def ending_of(event: Event) -> Ending:
    """The ending that an event tells of."""
    return Ending(Outcome(event["outcome"]), Reason(event["reason"]), event["detail"])

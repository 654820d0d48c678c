"""The hosts of a crawl: each has one lane, which takes turns while it wants something."""

import asyncio

from pipeline import urls
from pipeline.fetch.live.lanes import Lane, RobotsErrand
from pipeline.fetch.live.politeness import Manners
from pipeline.fetch.live.scheduling import Scheduler
from pipeline.fetch.live.transfer import Client, Line
from pipeline.ledger import Ending


class Hosts:
    """Lanes by host; for the loop in which it was made."""

    def __init__(self, client: Client, manners: Manners) -> None:
        self.lanes: dict[str, Lane] = {}
        self.scheduler: Scheduler[Lane] = Scheduler()
        self._client = client
        self._manners = manners

    def lane(self, host: str) -> Lane:
        """The lane of a host, a new one where there was none."""
        lane = self.lanes.get(host)
        if lane is None:
            lane = self.lanes[host] = Lane(host, self._manners, Line(self._client))
        return lane

    def wake(self, lane: Lane) -> None:
        """Let a lane take turns that has something to ask for."""
        if not lane.running and lane.wants_turn:
            lane.running = True
            self.scheduler.enter(lane, lane.ready_at)

    def send_robots(self, errand: RobotsErrand, target: str) -> None:
        """Follow a redirect of a robots.txt. A host whose file lies with another one waits for that one's turn."""
        asker = errand.asker
        lane = self.lane(urls.host(target))
        trail = (*errand.trail, errand.url)
        lane.errands.appendleft(RobotsErrand(target, trail, seconds=errand.seconds, origin=errand.origin, asker=asker))
        asker.waiting = lane is not asker
        self.wake(lane)

    def resume(self, asker: Lane) -> None:
        """A lane may have waited for another one; now it can go on."""
        asker.waiting = False
        self.wake(asker)

    def closed(self) -> dict[str, Ending]:
        """How the links end of hosts that were closed."""
        return {host: lane.state.ending for host, lane in self.lanes.items() if lane.state.ending is not None}

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(lane.line.close() for lane in self.lanes.values()))

"""A harvest from its beginning to its end: scores that are due, then what is new in every listing."""

import dataclasses
import datetime
import logging
from collections import Counter
from collections.abc import Iterator, Sequence

from praw.endpoints import API_PATH

from pipeline.harvest.reddit import credentials
from pipeline.harvest.reddit.asking import Asker, Page, RefusedError, UnavailableError
from pipeline.harvest.reddit.clock import Clock
from pipeline.harvest.reddit.credentials import Hiding
from pipeline.harvest.reddit.records import POST_KIND, Post, dump_line, read_post
from pipeline.harvest.reddit.sources import LISTED_POSTS, PAGE_POSTS, Source, sources
from pipeline.harvest.reddit.store import Settled, Store, Waiting
from webtext import locks
from webtext.errors import UserError

SECONDS_PER_DAY = 86_400
SECONDS_BETWEEN_SAVES = 60
FAILURES_IN_A_ROW = 3
"""So many things that Reddit cannot give, one after the other: then it is Reddit that fails."""
TIMES_MISSED = 2
"""A post that so many harvests asked for in vain is gone."""
SIGN_OF_A_GAP = 900
"""Reddit leaves removed posts out of the thousand that it lists."""
_OF_LIBRARIES = ("prawcore", "praw", "urllib3.connectionpool")

log = logging.getLogger("webtext")


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What to ask for.

    subreddits, domains: names. listings: new, top, rising. top_of: the time that `top` looks back on: hour, day, week,
    month, year or all. score_after_days: the age at which a post's score counts as settled.
    """

    subreddits: Sequence[str] = ()
    domains: Sequence[str] = ()
    listings: Sequence[str] = ("new", "top", "rising")
    top_of: str = "all"
    score_after_days: float = 3


def harvest(wishes: Wishes, folder: str, contact: str = "", clock: Clock | None = None) -> Counter[str]:
    """Ask Reddit for what is new, and for the scores that are due; returns the counts.

    folder: what earlier harvests left, and where this one's dumps go. contact: for the user agent, where PRAW has none.
    Counts: listed, kept, waiting, known, vanished (deleted or removed while they waited), malformed, requests,
    passed_over.
    Raises UserError for what the user can mend, and when Reddit gives nothing; what was taken until then is kept.
    """
    settings = credentials.find(contact)
    hiding = Hiding(settings.secrets)
    loggers = [logging.getLogger(name) for name in _OF_LIBRARIES]
    for logger in loggers:
        logger.addFilter(hiding)
    try:
        with locks.only_one(folder), credentials.connect(settings) as reddit:
            clock = clock or Clock()
            return Harvest(wishes, Store(folder), Asker(reddit, clock), clock).run()
    finally:
        for logger in loggers:
            logger.removeFilter(hiding)


class Harvest:
    """One harvest."""

    def __init__(self, wishes: Wishes, store: Store, asker: Asker, clock: Clock) -> None:
        self._wishes = wishes
        self._store = store
        self._asker = asker
        self._clock = clock
        self._settle_seconds = wishes.score_after_days * SECONDS_PER_DAY
        self._counts: Counter[str] = Counter()
        self._failures_in_a_row = 0
        self._saved = clock.now()

    def run(self) -> Counter[str]:
        """Do it."""
        try:
            self._look_up_what_is_due()
            read = self._read_listings()
        finally:
            self._store.save()
        if not read:
            raise UserError("Reddit shows none of what harvest.reddit names; the reasons are above.")
        self._counts["waiting"] = len(self._store.pending)
        log.info("%-11s%s", "reddit", self._summary())
        return self._counts

    def _read_listings(self) -> int:
        """Returns how many were read to their end."""
        read = 0
        for source in sources(self._wishes.subreddits, self._wishes.domains):
            try:
                for listing in self._wishes.listings:
                    self._read_listing(source, listing)
                    self._failures_in_a_row = 0
                    read += 1
            except RefusedError as error:
                self._failures_in_a_row = 0
                self._pass_over(source, str(error))
            except UnavailableError as error:
                self._pass_over(source, str(error))
                self._fail_once_more(error)
        return read

    def _read_listing(self, source: Source, listing: str) -> None:
        """`new` as far as it was read before, since Reddit lists by time there; the others whole."""
        key = f"{source}/{listing}".lower()
        mark = self._store.marks.get(key) if listing == "new" else None
        newest, posts, met = 0, 0, mark is None
        parameters: dict[str, str | int] = {"limit": PAGE_POSTS}
        if listing == "top":
            parameters["t"] = self._wishes.top_of
        for page in self._asker.pages(source.path(listing), parameters):
            found = list(self._posts(page))
            for post in found:
                self._take(post)
            posts += len(page.children)
            # A time to come would keep what follows it from being read.
            now = self._clock.now()
            newest = max([newest, *(post.created_utc for post in found if post.created_utc <= now)])
            met = met or not found or found[-1].created_utc <= (mark or 0)
            self._save_now_and_then()
            if met and mark is not None:
                break
        if not met and posts >= SIGN_OF_A_GAP:
            log.warning(
                "%s has more new posts than Reddit lists (about %s) since it was last read: those between are not "
                "taken; harvest more often, or take them from a dump.",
                source,
                f"{LISTED_POSTS:,}",
            )
        if listing == "new" and newest:
            self._store.marks[key] = max(mark or 0, newest)

    def _posts(self, page: Page) -> Iterator[Post]:
        self._counts["requests"] += 1
        for child in page.children:
            post = read_post(child)
            if post is None:
                self._counts["malformed"] += 1
            else:
                yield post

    def _take(self, post: Post) -> None:
        """A post of a listing: kept when its score has settled, else told to wait."""
        self._counts["listed"] += 1
        if self._store.knows(post.id, post.created_utc):
            self._counts["known"] += 1
        elif self._clock.now() - post.created_utc < self._settle_seconds:
            self._store.pending[post.id] = Waiting(post.id, post.created_utc)
        else:
            self._keep(post)

    def _keep(self, post: Post) -> None:
        if post.removed:
            self._store.pending.pop(post.id, None)
            self._counts["vanished"] += 1
            return
        self._counts["kept"] += not self._store.keeps(post.id, post.created_utc)
        self._store.keep(Settled(post.id, post.created_utc, dump_line(post, int(self._clock.now()))))

    def _look_up_what_is_due(self) -> None:
        due = [
            post.id
            for post in sorted(self._store.pending.values(), key=lambda each: (each.created_utc, each.id))
            if self._clock.now() - post.created_utc >= self._settle_seconds
        ]
        for ids in _batched(due):
            try:
                page = self._asker.listing(API_PATH["info"], {"id": ",".join(f"{POST_KIND}_{each}" for each in ids)})
            except (RefusedError, UnavailableError) as error:
                log.warning("Reddit does not tell the scores of %d posts, which wait on: %s.", len(ids), error)
                self._fail_once_more(error)
                continue
            self._failures_in_a_row = 0
            for post in self._posts(page):
                if post.id in ids:
                    self._keep(post)
            for post_id in ids:
                self._miss(post_id)
            self._save_now_and_then()

    def _miss(self, post_id: str) -> None:
        """Reddit leaves out what it does not have any more; once may be an accident."""
        post = self._store.pending.pop(post_id, None)
        if post is None:
            return
        if post.missed + 1 < TIMES_MISSED:
            self._store.pending[post_id] = post._replace(missed=post.missed + 1)
        else:
            self._counts["vanished"] += 1

    def _pass_over(self, source: Source, reason: str) -> None:
        self._counts["passed_over"] += 1
        log.warning("%s is passed over: %s.", source, reason)

    def _fail_once_more(self, error: Exception) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            raise UserError(
                f"{error}, again and again; what was taken is kept, and the same command goes on from there."
            ) from None

    def _save_now_and_then(self) -> None:
        if self._clock.now() - self._saved >= SECONDS_BETWEEN_SAVES:
            self._store.save()
            self._saved = self._clock.now()

    def _summary(self) -> str:
        counts = self._counts
        text = (
            f"{counts['kept']:,} posts kept, {counts['listed']:,} listed ({counts['known']:,} known), "
            f"{counts['requests']:,} requests"
        )
        for name, words in [
            ("vanished", "deleted or removed meanwhile"),
            ("malformed", "children that are no posts"),
            ("passed_over", "sources passed over"),
        ]:
            if counts[name]:
                text += f", {counts[name]:,} {words}"
        if not self._store.pending:
            return text
        first = min(post.created_utc for post in self._store.pending.values()) + self._settle_seconds
        when = datetime.datetime.fromtimestamp(first, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"{text}; {counts['waiting']:,} wait for their score, the first until {when}"


def _batched(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(ids), PAGE_POSTS):
        yield ids[at : at + PAGE_POSTS]

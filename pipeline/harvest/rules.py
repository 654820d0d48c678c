"""Which posts count: karma and cut-off."""

import calendar
import dataclasses
import datetime
import functools
from typing import Literal

from pipeline.harvest.submissions import Submission, SubmissionReason

KarmaRule = Literal["max", "sum"]


@dataclasses.dataclass(frozen=True)
class Rules:
    """When a link is eligible. The defaults are WebText's (GPT-2 paper, section 2.1, and model card).

    min_karma: karma that is enough.
    karma_rule: max: one post must reach min_karma, and only posts that do count. sum: all posts count, and together
    they must reach it (as OpenWebText2 had it).
    before: posts of this day (UTC) and later do not count.
    """

    min_karma: int = 3
    karma_rule: KarmaRule = "max"
    before: datetime.date = datetime.date(2018, 1, 1)

    @functools.cached_property
    def cutoff(self) -> int:
        """`before` in seconds since 1970."""
        return calendar.timegm(self.before.timetuple())

    def refusal(self, submission: Submission) -> SubmissionReason | None:
        """Why a post does not count on its own; None for one that may."""
        if submission.created_utc >= self.cutoff:
            return SubmissionReason.TOO_LATE
        if self.karma_rule == "max" and submission.score < self.min_karma:
            return SubmissionReason.LOW_KARMA
        return None

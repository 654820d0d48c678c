"""One post as Reddit's API gives it -> one line of a dump in Pushshift's format.

Who wrote a post and what it says beside its link is left out: nothing after the harvest reads it.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.harvest.submissions import MAX_TIME, whole_number

FIELDS = (
    "id",
    "name",
    "subreddit",
    "subreddit_id",
    "title",
    "url",
    "url_overridden_by_dest",
    "domain",
    "permalink",
    "score",
    "upvote_ratio",
    "num_comments",
    "is_self",
    "is_video",
    "is_gallery",
    "over_18",
    "edited",
    "spoiler",
    "locked",
    "stickied",
    "post_hint",
    "link_flair_text",
    "crosspost_parent",
    "removed_by_category",
)
"""What a line has of the API's answer, as it is; `created_utc` and `retrieved_on` follow, as integers."""

POST_KIND = "t3"
MAX_ID_LENGTH = 16


class Post(NamedTuple):
    """A post that the API gave: id without its kind, time of creation (seconds since 1970), and the whole of it."""

    id: str
    created_utc: int
    data: Mapping[str, Any]

    @property
    def removed(self) -> bool:
        """Whether it was deleted by its author or removed by others: it is not public any more."""
        return self.data.get("removed_by_category") is not None


def read_post(child: object) -> Post | None:
    """A child of a listing as a post; None for anything that is none. Never raises."""
    if not isinstance(child, dict) or child.get("kind") != POST_KIND or not isinstance(child.get("data"), dict):
        return None
    data = child["data"]
    post_id, created = data.get("id"), whole_number(data.get("created_utc"))
    if not isinstance(post_id, str) or not (post_id.isascii() and post_id.isalnum()) or len(post_id) > MAX_ID_LENGTH:
        return None
    if created is None or not 0 < created < MAX_TIME:
        return None
    return Post(post_id, created, data)


def dump_line(post: Post, retrieved: int) -> bytes:
    """A post as a line of a dump, with its line feed. retrieved: when it was looked at, in seconds since 1970."""
    line = {key: value for key in FIELDS if _is_plain(value := post.data.get(key, _ABSENT))}
    line |= {"created_utc": post.created_utc, "retrieved_on": retrieved}
    # Escapes, as Pushshift wrote them: titles may hold halves of surrogate pairs, which UTF-8 has not.
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


_ABSENT = object()


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)

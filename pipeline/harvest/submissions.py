"""One line of a submission dump, in any of the formats of twenty years.

What changed over time, from the statistics of all monthly dumps 2005-06 to 2026-01 that Arctic Shift publishes:
`created_utc` is a string in 2014-01 to 2015-11 and a float in lines as the API gave them; `score` is null in a few
posts of 2017; `url` is null in a quarter of 2022-08; `is_self` is always there, but not in what other tools made of
dumps. Links to posts on Reddit are sometimes relative. `url` and `title` are HTML-escaped unless the API was asked
otherwise.
"""

import enum
import json
import math
from typing import Any, NamedTuple, NoReturn

import orjson

MAX_SCORE = 1 << 31
MAX_TIME = 1 << 32
MAX_TITLE_LENGTH = 1000
"""Reddit allows 300 characters; a longer title is cut."""


class SubmissionReason(enum.StrEnum):
    """What became of a line of a dump or of a URL list: exactly one reason for each line."""

    LINKED = "linked"
    """Its URL is a link. (The link itself may be refused: the ledger tells.)"""
    LINE_TOO_LONG = "line_too_long"
    TRUNCATED = "truncated"
    """Stands for the rest of a file that breaks off or is damaged."""
    BAD_JSON = "bad_json"
    NOT_A_SUBMISSION = "not_a_submission"
    """JSON, but no post: a comment, a list, a number, an object without an id."""
    SELF_POST = "self_post"
    NO_URL = "no_url"
    NO_SCORE = "no_score"
    NO_DATE = "no_date"
    LOW_KARMA = "low_karma"
    TOO_LATE = "too_late"
    BLOCKED_SUBREDDIT = "blocked_subreddit"
    REDDIT_PAGE = "reddit_page"
    """A relative address: a crosspost of a page on Reddit."""
    BAD_URL = "bad_url"
    """Not an http or https address, or a far too long one."""
    REPEATED = "repeated"
    """The same post again, as in two dumps that overlap; the same line again in URL lists."""


class Submission(NamedTuple):
    """A post that links to something, as the dump has it; HTML escapes of the title are undone."""

    id: str
    url: str
    subreddit: str
    score: int
    created_utc: int
    title: str


def read_submission(line: bytes) -> Submission | SubmissionReason:
    """A line of a dump (UTF-8) as a post, or the reason why it is none that could become a link. Never raises."""
    post = _parse(line)
    if not isinstance(post, dict):
        return SubmissionReason.BAD_JSON if post is None else SubmissionReason.NOT_A_SUBMISSION
    post_id = post.get("id")
    if not isinstance(post_id, str) or not post_id or not ("url" in post or "is_self" in post):
        return SubmissionReason.NOT_A_SUBMISSION
    subreddit = post.get("subreddit")
    if not isinstance(subreddit, str):
        subreddit = ""
    if _is_self(post, subreddit):
        return SubmissionReason.SELF_POST
    url = post.get("url") or post.get("url_overridden_by_dest")
    if not url:
        return SubmissionReason.NO_URL
    if not isinstance(url, str):
        return SubmissionReason.BAD_URL
    score = post.get("score")
    if type(score) is not int:
        score = whole_number(score)
    if score is None or not -MAX_SCORE < score < MAX_SCORE:
        return SubmissionReason.NO_SCORE
    created = post.get("created_utc")
    if type(created) is not int:
        created = whole_number(created)
    if created is None or not 0 < created < MAX_TIME:
        return SubmissionReason.NO_DATE
    return Submission(post_id.removeprefix("t3_"), url, subreddit, score, created, _title(post.get("title")))


def whole_number(value: object) -> int | None:
    """An int, a finite float cut to one, or a string of either; None for anything else, booleans included."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    return None


def _is_self(post: dict[str, Any], subreddit: str) -> bool:
    is_self = post.get("is_self")
    if is_self is None:
        # Not just the beginning: self.com is a magazine.
        return post.get("domain") == f"self.{subreddit}"
    return is_self is True


def _title(title: object) -> str:
    if not isinstance(title, str):
        return ""
    title = title[:MAX_TITLE_LENGTH]
    # Reddit escapes these three and nothing else.
    return title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") if "&" in title else title


def _parse(line: bytes) -> Any:
    """The line's JSON value; a marker that is no dict for null; None when it is not JSON."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _parse_leniently(line)
    return () if value is None else value


def _parse_leniently(line: bytes) -> Any:
    """JSON that orjson refuses: with lone surrogates, with which cut titles end, or nested very deep."""
    try:
        value = json.loads(line.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return ()
    return {key: _scalar_values(each) if isinstance(each, str) else each for key, each in value.items()}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _scalar_values(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

"""What must become of everything in the samples: what `expected.yaml` says, told by the sources themselves.

A source says nothing where its page is to be kept; otherwise `expect:` names the ledger's reason, or several where
more than one is right. Members of a `group` are copies of each other, of which so many stay as the group says.
"""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from samples.sources import Page, Post

MIN_KARMA = 3
BEFORE = "2018-01-01"
FAILED = {"not_in_archive", "http_error", "too_many_redirects", "broken_record", "too_large"}
"""Reasons of pages that could not be had; the other reasons are rules, which drop."""


def link(told: Mapping[str, Any], posts: Iterable[Post], listed: Iterable[str]) -> dict[str, Any] | None:
    """One link's expectation; None for an address that never becomes a link under the rule `max`.

    told: the particulars of a page or of an address. listed: its spellings in the URL lists.
    """
    posts = list(posts)
    eligible = [post for post in posts if _is_eligible(post)]
    addresses = list(dict.fromkeys([post.url for post in eligible] + list(listed)))
    if not addresses:
        return None
    if "group" in told:
        ending: dict[str, Any] = {"group": told["group"]}
    else:
        wanted = told.get("expect", "kept")
        ending = {"reasons": [wanted] if isinstance(wanted, str) else list(wanted)}
        if len(ending["reasons"]) == 1:
            ending = {"outcome": outcome(ending["reasons"][0])} | ending
    expectation: dict[str, Any] = {"url": addresses[0]} | ending
    if len(addresses) > 1:
        expectation["also"] = addresses[1:]
    if eligible:
        expectation["score"] = max(post.score for post in eligible)
        expectation["posts"] = len(eligible)
    for name in ("contains", "lacks", "optional"):
        if name in told:
            expectation[name] = told[name]
    return expectation


def outcome(reason: str) -> str:
    """The outcome that a reason has in a run from archives."""
    return "kept" if reason == "kept" else "failed" if reason in FAILED else "dropped"


def lost_to_the_rule(posts: Iterable[Post]) -> list[str]:
    """Addresses of posts that all stay under the karma but reach it together: links under `karma_rule: sum` alone."""
    scores: dict[str, list[int]] = collections.defaultdict(list)
    for post in posts:
        if post.dump < BEFORE[:7]:
            scores[post.url].append(post.score)
    return sorted(url for url, found in scores.items() if max(found) < MIN_KARMA <= sum(found))


def post_reasons(posts: Iterable[Post], others: Iterable[str]) -> dict[str, int]:
    """How many lines of the dumps end where: `linked`, or why they never become links; blank lines do not count."""
    counts = collections.Counter(
        "linked" if _is_eligible(post) else "too_late" if post.dump >= BEFORE[:7] else "low_karma" for post in posts
    )
    return dict(sorted((counts + collections.Counter(others)).items()))


def _is_eligible(post: Post) -> bool:
    return post.score >= MIN_KARMA and post.dump < BEFORE[:7]


def by_address(pages: Iterable[Page]) -> list[Page]:
    """The pages that links ask for: other captures of the same address are the archive's matter."""
    return [page for page in pages if not page.meta.get("other_capture")]

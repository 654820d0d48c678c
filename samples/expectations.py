"""What must become of everything in the samples: what `expected.yaml` says, told by the sources themselves.

A source says nothing where its page is to be kept; otherwise `expect:` names the ledger's reason, or several where
more than one is right. Members of a `group` are copies of each other, of which so many stay as the group says.
"""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from samples import sources
from samples.sources import Page, Post

MIN_KARMA = 3
BEFORE = "2018-01-01"
FAILED = {"not_in_archive", "http_error", "too_many_redirects", "broken_record"}
"""Reasons of pages that could not be had; the others are rules, which drop."""


def expected(pages: Iterable[Page], odd: Mapping[str, Any]) -> dict[str, Any]:
    """All that `expected.yaml` says of links and posts."""
    plain, special = sources.plain_posts(pages, odd), sources.special_posts(odd)
    linked = [told.post for told in special if told.expect == "linked"]
    listed = {line.strip() for line in odd["url_list"]}
    addresses = [(page.meta, page.posts) for page in sources.by_address(pages)]
    addresses += [(told, sources.posts_of(told)) for told in odd["links"]]
    links = []
    for told, posts in addresses:
        further = [post for post in linked if post.url == told["url"]]
        expectation = link(told, posts + further, listed & {told["url"]})
        if expectation:
            links.append(expectation)
    broken = [told["expect"] for told in odd["lines"] if told["expect"] != "blank"]
    posts_by_reason = post_reasons(plain, [told.expect for told in special] + broken)
    return {
        "config": odd["config"],
        "dump_lines": {"posts": sum(posts_by_reason.values()), "blank": len(odd["lines"]) - len(broken)},
        "posts": posts_by_reason,
        "url_list": odd["url_list_counts"],
        "links_only_under_sum": lost_to_the_rule(plain),
        "groups": odd["groups"],
        "links": sorted(links, key=lambda expectation: str(expectation["url"])),
    }


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
    for name in ("contains", "lacks"):
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

"""All posts of a link become one link, in whatever order they come."""

import datetime
import random
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import schemas, urls
from pipeline.harvest.merging import MergedLinks, merge_posts
from pipeline.harvest.posts import POSTS
from pipeline.harvest.rules import Rules
from pipeline.harvest.tallies import added
from pipeline.ledger import Ending, Reason, dropped

MAX, SUM = Rules(), Rules(karma_rule="sum")


def _post(
    url: str = "http://a.org/", post: str = "p", score: int | None = 5, created: int | None = 100, **more: str
) -> dict[str, Any]:
    row = {"id": urls.link_id(url), "url": url, "post": post, "score": score, "created_utc": created}
    return {**row, "subreddit": "x", "title": "t", "source": "RS", **more}


def _listed(url: str = "http://a.org/", source: str = "list") -> dict[str, Any]:
    return _post(url, "", None, None, source=source, subreddit="", title="")


def _judge(url: str) -> Ending | None:
    return dropped(Reason.BLOCKED_DOMAIN, "bad.org") if "bad.org" in url else None


def _merge(rows: list[dict[str, Any]], rules: Rules = MAX) -> MergedLinks:
    merged = merge_posts(pa.Table.from_pylist(rows, POSTS), rules, _judge)
    assert merged.links.schema == schemas.LINKS
    assert merged.refused.schema == schemas.LEDGER
    return merged


def _time(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _reasons(merged: MergedLinks) -> dict[str, dict[str, int]]:
    return {tally.source: dict(tally.reasons) for tally in added(merged.tallies)}


def test_nothing() -> None:
    merged = _merge([])
    assert (merged.links.num_rows, merged.refused.num_rows, merged.tallies) == (0, 0, [])


def test_posts_of_all_spellings_make_one_link() -> None:
    merged = _merge(
        [
            _post("https://www.a.org", "p3", 4, 300),
            _post("http://a.org/", "p2", 9, 100, subreddit="y"),
            _post("https://a.org/", "p1", 5, 200),
        ]
    )
    (link,) = merged.links.to_pylist()
    submissions = link.pop("submissions")
    assert link == {
        "id": urls.link_id("http://a.org/"),
        "url": "http://a.org/",
        "domain": "a.org",
        "score": 9,
        "created_utc": _time(100),
    }
    assert [each["id"] for each in submissions] == ["p1", "p2", "p3"]
    assert submissions[1] == {
        "id": "p2",
        "subreddit": "y",
        "score": 9,
        "created_utc": _time(100),
        "title": "t",
        "source": "RS",
    }
    assert _reasons(merged) == {"RS": {"linked": 3}}


def test_address_of_equally_early_posts_is_that_of_the_smaller_id() -> None:
    rows = [_post("http://a.org/", "q"), _post("https://a.org/", "p")]
    assert _merge(rows).links["url"].to_pylist() == ["https://a.org/"]


def test_sum_counts_all_posts_and_refuses_all() -> None:
    enough = [_post(post="p", score=1), _post(post="q", score=2)]
    too_few = [_post("http://b.org/", "r", 7), _post("http://b.org/", "s", -5)]
    merged = _merge(enough + too_few, SUM)
    assert merged.links["url"].to_pylist() == ["http://a.org/"]
    assert merged.links["score"].to_pylist() == [3]
    assert _reasons(merged) == {"RS": {"linked": 2, "low_karma": 2}}


@pytest.mark.parametrize("rules", [MAX, SUM])
def test_a_post_in_two_dumps_counts_once_with_its_highest_score(rules: Rules) -> None:
    merged = _merge(
        [_post(score=4, source="RS_a"), _post(score=6, source="RS_b"), _post(score=6, source="RS_c")], rules
    )
    (link,) = merged.links.to_pylist()
    assert link["score"] == 6
    assert [each["source"] for each in link["submissions"]] == ["RS_b"]
    assert _reasons(merged) == {"RS_a": {"repeated": 1}, "RS_b": {"linked": 1}, "RS_c": {"repeated": 1}}


def test_lists_of_urls_need_no_karma_and_give_none() -> None:
    merged = _merge([_listed(), _listed("https://a.org", "list2"), _listed("http://b.org/")])
    by_url = {row["url"]: row for row in merged.links.to_pylist()}
    assert set(by_url) == {"http://a.org/", "http://b.org/"}
    assert by_url["http://a.org/"]["score"] is None
    assert by_url["http://a.org/"]["created_utc"] is None
    assert [each["source"] for each in by_url["http://a.org/"]["submissions"]] == ["list"]
    assert _reasons(merged) == {"list": {"linked": 2}, "list2": {"repeated": 1}}


@pytest.mark.parametrize("rules", [MAX, SUM])
def test_listed_and_posted(rules: Rules) -> None:
    (link,) = _merge([_listed("https://a.org/"), _post(score=5, created=7)], rules).links.to_pylist()
    assert (link["url"], link["score"], link["created_utc"]) == ("http://a.org/", 5, _time(7))
    assert [each["id"] for each in link["submissions"]] == ["", "p"]


def test_listed_but_posted_in_vain() -> None:
    merged = _merge([_listed(), _post(score=1)], SUM)
    (link,) = merged.links.to_pylist()
    assert (link["score"], link["created_utc"], len(link["submissions"])) == (None, None, 1)
    assert _reasons(merged) == {"RS": {"low_karma": 1}, "list": {"linked": 1}}


def test_refused_links_are_links_with_a_ledger_row() -> None:
    merged = _merge([_post("http://bad.org/"), _post("http://a.org/")])
    assert merged.links.num_rows == 2
    assert merged.refused.to_pylist() == [
        {
            "id": urls.link_id("http://bad.org/"),
            "url": "http://bad.org/",
            "stage": "links",
            "outcome": "dropped",
            "reason": "blocked_domain",
            "detail": "bad.org",
        }
    ]
    assert _reasons(merged) == {"RS": {"linked": 2}}


ROWS = st.lists(
    st.builds(
        _post,
        url=st.sampled_from(["http://a.org/", "https://a.org/", "http://b.org/x", "http://c.org/", "http://bad.org/"]),
        post=st.sampled_from(["p", "q", "r", "s"]),
        score=st.integers(-5, 9),
        created=st.integers(1, 5),
        source=st.sampled_from(["RS_1", "RS_2"]),
        title=st.sampled_from(["t", "u"]),
    )
    | st.builds(_listed, url=st.sampled_from(["http://a.org/", "https://a.org/", "http://d.org/"])),
    max_size=25,
)


@given(ROWS, st.sampled_from([MAX, SUM]), st.randoms(use_true_random=False))
def test_against_the_rules_spelt_out(rows: list[dict[str, Any]], rules: Rules, shuffle: random.Random) -> None:
    if rules.karma_rule == "max":
        rows = [row for row in rows if row["score"] is None or row["score"] >= rules.min_karma]
    merged = _merge(rows, rules)
    shuffled = list(rows)
    shuffle.shuffle(shuffled)
    again = _merge(shuffled, rules)
    assert again.links.equals(merged.links)
    assert again.refused.equals(merged.refused)
    assert _reasons(again) == _reasons(merged)

    expected: dict[str, tuple[int | None, int]] = {}
    by_link: dict[str, dict[str, list[int | None]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_link[row["id"]][row["post"]].append(row["score"])
    for link, posts in by_link.items():
        scores = [max(score for score in each if score is not None) for post, each in posts.items() if post]
        total = (sum(scores) if rules.karma_rule == "sum" else max(scores)) if scores else None
        if total is not None and total >= rules.min_karma:
            expected[link] = (total, len(posts))
        elif "" in posts:
            expected[link] = (None, 1)
    found = {row["id"]: (row["score"], len(row["submissions"])) for row in merged.links.to_pylist()}
    assert found == expected
    assert merged.links["id"].to_pylist() == sorted(expected)
    assert sum(count for reasons in _reasons(merged).values() for count in reasons.values()) == len(rows)

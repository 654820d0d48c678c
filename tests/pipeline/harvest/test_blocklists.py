"""What is refused by its address: the built-in lists, a user's changes, and what must never be refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import urls, word_lists
from pipeline.harvest.blocklists import AddressJudge, BlockLists, block_lists, extension_of
from pipeline.ledger import Ending, Outcome, Reason
from webtext.errors import UserError

BUILT_IN = AddressJudge(block_lists())


def _normalised(url: str) -> str:
    normal = urls.normalise(url)
    assert normal is not None
    return normal


@pytest.mark.parametrize(
    ("url", "reason", "detail"),
    [
        ("http://imgur.com/gallery/x", "blocked_domain", "imgur.com"),
        ("http://i.imgur.com/x.jpg", "blocked_domain", "imgur.com"),
        ("https://www.reddit.com/r/pics/comments/1", "blocked_domain", "reddit.com"),
        ("https://www.amazon.co.uk/dp/1", "blocked_domain", "amazon.*"),
        ("https://amazon.com/dp/1", "blocked_domain", "amazon.*"),
        ("http://example.org/a.JPG?x=1", "blocked_extension", "jpg"),
        ("http://example.org/a.pdf/", "blocked_extension", "pdf"),
        ("http://en.wikipedia.org/wiki/A.jpg", "wikipedia", "en.wikipedia.org"),
        ("https://m.youtube.com./watch?v=1", "blocked_domain", "youtube.com"),
    ],
)
def test_refused(url: str, reason: str, detail: str) -> None:
    assert BUILT_IN(_normalised(url)) == Ending(Outcome.DROPPED, Reason(reason), detail)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://notimgur.com/",
        "http://imgur.com.example.org/",
        "http://example.org/?u=http://imgur.com/a.jpg",
        "https://docs.aws.amazon.com/lambda/",
        "https://aws.amazon.com/",
        "http://amazon.example.org/",
        "https://github.com/mrdoob/three.js",
        "https://github.com/wesbos/aprilFools.css",
        "http://www.java.com/en/download/faq/yahoo_toolbar.xml",
        "http://web.archive.org/web/2012/http://example.mobi",
        "http://example.org/.jpg",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost/",
    ],
)
def test_not_refused(url: str) -> None:
    assert BUILT_IN(_normalised(url)) is None


@pytest.mark.parametrize(
    ("path", "extension"),
    [("/a.b.C", "c"), ("/a/", ""), ("/", ""), ("/a.b/c", ""), ("/a.jpg/", "jpg"), ("/http://a.b", ""), ("/.x", "")],
)
def test_extension(path: str, extension: str) -> None:
    assert extension_of(path) == extension


@given(
    st.sampled_from(["imgur.com", "i.imgur.com", "amazon.de", "aws.amazon.com", "nationmaster.com", "a.org"]),
    st.sampled_from(["", "/", "/encyclopedia", "/encyclopedia/", "/a.jpg", "/a.jpg/", "/a//", "/a/b.gif/?c"]),
)
def test_all_spellings_of_a_link_get_one_verdict(host: str, rest: str) -> None:
    spelt = [_normalised(f"{scheme}{www}{host}{rest}") for scheme in ("http://", "https://") for www in ("", "www.")]
    verdicts = {ending and ending.reason for url in spelt for ending in [BUILT_IN(url)]}
    assert len({urls.link_key(url) for url in spelt}) == 1
    assert len(verdicts) == 1


def test_slash_at_the_end_changes_no_verdict() -> None:
    assert BUILT_IN("http://nationmaster.com/encyclopedia") == BUILT_IN("http://nationmaster.com/encyclopedia/")


def test_a_user_lengthens_and_shortens_the_lists(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("# mine\nbad.org  # very\nworse.org\n")
    lists = block_lists(
        domains=["www.Example.com", str(tmp_path / "more.txt"), "!good.bad.org"],
        extensions=[".XML"],
        subreddits=["r/Pics", "/r/funny"],
        allowed=["imgur.com", "pdf", "gonewild", "sub.example.com"],
    )
    judge = AddressJudge(lists)
    for blocked in ("http://a.example.com/", "http://bad.org/", "http://worse.org/", "http://example.org/a.xml"):
        assert judge(blocked) is not None, blocked
    for free in ("http://imgur.com/a", "http://a.org/a.pdf", "http://x.sub.example.com/", "http://good.bad.org/"):
        assert judge(free) is None, free
    assert {"pics", "funny"} <= lists.subreddits
    assert "gonewild" not in lists.subreddits


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("domains", "exa mple.com"),
        ("domains", "*"),
        ("domains", "http:example"),
        ("extensions", "tar.gz"),
        ("subreddits", "a b"),
        ("domains", "./absent.txt"),
        ("allowed", "/absent/list.txt"),
    ],
)
def test_wrong_entries_are_told_with_their_key(key: str, entry: str) -> None:
    with pytest.raises(UserError, match=rf"harvest\.(blocked_)?{key}: "):
        block_lists(**{key: [entry]})


def test_empty_lists_block_nothing_but_wikipedia() -> None:
    judge = AddressJudge(BlockLists())
    assert judge("http://imgur.com/a.jpg") is None
    assert judge("http://en.wikipedia.org/") is not None


@pytest.mark.parametrize("name", ["domains", "extensions", "subreddits"])
def test_built_in_lists_hold_no_entry_twice(name: str) -> None:
    listed = word_lists.packaged("pipeline.harvest", f"blocklists/{name}.txt")
    assert len(listed) == len(set(listed))


def test_nothing_that_openai_kept_is_blocked(shared_data: Path) -> None:
    """The list has bare labels: `bbc` for bbc.com and bbc.co.uk; one name is empty, one is a bare suffix (gov)."""
    rows = [line.split() for line in (shared_data / "webtext" / "domains.txt").read_text().splitlines()]
    kept = {row[1].lower() for row in rows if len(row) == 2}
    assert {"google", "github", "archive", "ebay", "flic", "amzn", "goo", "wikia"} <= kept
    lists = block_lists()
    for entry in lists.domains:
        assert urls.registrable_domain(entry.replace(".*", ".com")).partition(".")[0] not in kept, entry
    hosts = ["google.com", "plus.google.com", "github.com", "archive.org", "ebay.co.uk", "flic.kr", "amzn.to", "goo.gl"]
    hosts += [f"{label}.{suffix}" for label in kept - {"wikiwand"} for suffix in ("com", "org", "net", "co.uk", "tv")]
    for host in hosts:
        url = urls.normalise(f"http://{host}/")
        assert url is not None
        assert BUILT_IN(url) is None, host

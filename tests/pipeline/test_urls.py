"""Addresses: what is accepted, how it is spelt, what counts as the same page, whose domain it is."""

import json
from pathlib import Path

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import urls, word_lists
from pipeline.wikipedia_hosts import is_wikipedia

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates too
PIECES = """
    http https HTTP :// : / // ? # & = @ % %2e .. . \\ www. example .org [::1] 1 0x7f &amp; amp; &lt; lt;
    utm_source=x fbclid=1 é 日本 xn-- ％ 。 ＆ %26 ;
"""
SPACES = ["\t", "\n", " ", "\u00ad", "\ud800", "\udc00", "\x00"]
URLISH = st.lists(st.sampled_from(PIECES.split() + SPACES), max_size=24).map("".join)


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("HTTP://Example.COM:80/A/../b?#x", "http://example.com/b"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:444/", "https://example.com:444/"),
        (" \t\u00a0http://example.com/a\nb \u3000", "http://example.com/ab"),
        ("http://user:secret@example.com/", "http://example.com/"),
        ("http://example.com/?a=1&amp;b=2", "http://example.com/?a=1&b=2"),
        ("http://example.com/?a=1&amp;amp;amp;b=2", "http://example.com/?a=1&b=2"),
        ("http://example.com/?a=1&copy=2", "http://example.com/?a=1&copy=2"),
        ("http://example.com/&quot;x&#39;", "http://example.com/%22x'"),
        ("http://example.com/?utm_source=a&x=1&UTM_Medium=b&fbclid=c", "http://example.com/?x=1"),
        ("http://example.com/?utm_source=a", "http://example.com/"),
        ("http://example.com/?ref=a&source=b", "http://example.com/?ref=a&source=b"),
        ("http://example.com/utm_source=a", "http://example.com/utm_source=a"),
        ("http://bücher.de/ä", "http://xn--bcher-kva.de/%C3%A4"),
        ("http://example.com/\ud83d\ude00", "http://example.com/%F0%9F%98%80"),
        ("http://example.com/\ud800", "http://example.com/%EF%BF%BD"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http:example.com", "http://example.com/"),
        ("http:\\\\example.com\\a", "http://example.com/a"),
        ("https://m.example.com/", "https://m.example.com/"),
    ],
)
def test_one_spelling(given_url: str, expected: str) -> None:
    assert urls.normalise(given_url) == expected


@pytest.mark.parametrize(
    "refused",
    [
        "",
        " ",
        "http://",
        "http://?",
        "example.com/page",
        "//example.com/",
        "/r/pics/comments/1",
        "ftp://example.com/",
        "javascript:alert(1)",
        "mailto:a@example.com",
        "data:text/html,http://example.com/",
        "magnet:?xt=urn:btih:0",
        "http://exa mple.com/",
        "http://a&b/",
        "http://\ud800/",
        "http://[::1/",
        "http://999.999.999.999/",
        "http://example.com:99999/",
        "http://example.com/" + "a" * 500_000,
        "http://example.com/" + "é" * 4_000,
        "\x00",
    ],
)
def test_what_is_no_address_of_a_page(refused: str) -> None:
    assert urls.normalise(refused) is None


@given(ANY_TEXT | URLISH)
def test_never_raises_and_is_idempotent(text: str) -> None:
    once = urls.normalise(text)
    if once is not None:
        assert once.isascii()
        assert "#" not in once
        assert urls.normalise(once) == once
        key = urls.link_key(once)
        assert urls.normalise(f"http://{key}") is not None or key.startswith("/")
        assert urls.host(once)
        assert urls.registrable_domain(once)
        is_wikipedia(once)


@given(st.from_regex(urls._PLAIN, fullmatch=True, alphabet=st.characters(max_codepoint=127)))
def test_what_is_not_parsed_would_be_parsed_to_itself(plain: str) -> None:
    assert ada_url.URL(plain).href == plain


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("http://example.com/", "https://www.example.com", True),
        ("http://example.com/a/", "https://example.com/a", True),
        ("http://example.com/a/?b=1", "http://example.com/a?b=1", True),
        ("http://example.com./a", "http://example.com/a", True),
        ("http://www.com/", "http://com/", False),
        ("http://m.example.com/", "http://example.com/", False),
        ("http://www2.example.com/", "http://example.com/", False),
        ("http://example.com/?a=/", "http://example.com/?a=", False),
        ("http://example.com/?a=1&b=2", "http://example.com/?b=2&a=1", False),
        ("http://example.com/A", "http://example.com/a", False),
        ("http://example.com:8080/", "http://example.com/", False),
    ],
)
def test_same_page(left: str, right: str, same: bool) -> None:
    a, b = urls.normalise(left), urls.normalise(right)
    assert a is not None
    assert b is not None
    assert (urls.link_key(a) == urls.link_key(b)) is same
    assert (urls.link_id(a) == urls.link_id(b)) is same


def test_id_is_the_head_of_the_keys_sha256() -> None:
    # sha256 of "example.com/", by sha256sum
    assert urls.link_id("http://example.com/") == "73d986e009065f182c10bcb6a45db3d6"


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [
        ("http://example.com/", "example.com", "/"),
        ("http://example.com:81/a/b?c/d", "example.com", "/a/b"),
        ("https://[2001:db8::1]:81/a", "[2001:db8::1]", "/a"),
    ],
)
def test_host_and_path(url: str, name: str, path: str) -> None:
    assert (urls.host(url), urls.path(url)) == (name, path)


@pytest.mark.parametrize(
    ("url_or_host", "domain"),
    [
        ("http://news.bbc.co.uk/2/hi", "bbc.co.uk"),
        ("news.bbc.co.uk.", "bbc.co.uk"),
        ("a.b.blogspot.com", "blogspot.com"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("http://[::1]/", "[::1]"),
        ("localhost", "localhost"),
        ("co.uk", "co.uk"),
        ("www.ck", "www.ck"),
        ("a.b.c.ck", "b.c.ck"),
        ("c.ck", "c.ck"),
        ("a.b.unknowntld", "b.unknowntld"),
        ("www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("", ""),
    ],
)
def test_registrable_domain(url_or_host: str, domain: str) -> None:
    assert urls.registrable_domain(url_or_host) == domain


def test_hosts_and_what_is_above_them() -> None:
    assert urls.with_parents("a.b.org.") == ("a.b.org", "b.org", "org")
    assert urls.with_parents("127.0.0.1") == ("127.0.0.1",)


@pytest.mark.parametrize(
    "url",
    [
        "http://en.wikipedia.org/wiki/Reddit",
        "https://de.m.wikipedia.org/wiki/Reddit",
        "http://en.zero.wikipedia.org/wiki/Reddit",
        "http://wikipedia.org/",
        "http://www.wikipedia.com/",
        "https://secure.wikimedia.org/wikipedia/en/wiki/Reddit",
        "https://www.wikiwand.com/en/Reddit",
        "http://encyclopedia.thefreedictionary.com/Reddit",
        "http://www.ask.com/wiki/Reddit",
        "http://web.archive.org/web/2010/http://en.wikipedia.org/wiki/Reddit",
        "http://translate.google.com/translate?u=http%3A%2F%2Fde.wikipedia.org%2Fwiki%2FReddit",
        "http://en.wikipedia.org.nyud.net/wiki/Reddit",
        "https://en.wikipedia.org./wiki/Reddit",
    ],
)
def test_is_wikipedia(url: str) -> None:
    normal = urls.normalise(url)
    assert normal is not None
    assert is_wikipedia(normal)


@pytest.mark.parametrize(
    "url",
    [
        "http://notwikipedia.org/",
        "http://en.wikipedia.org.example.com/",
        "http://example.com/?u=en.wikipedia.org",
        "https://en.wiktionary.org/wiki/word",
        "https://secure.wikimedia.org/wikiquote/en/wiki/Reddit",
        "https://www.mediawiki.org/wiki/MediaWiki",
        "https://starwars.wikia.com/wiki/Yoda",
        "http://www.thefreedictionary.com/word",
        "http://web.archive.org/web/2010/http://www.bbc.co.uk/",
        "http://www.ask.com/question/wikipedia",
    ],
)
def test_is_not_wikipedia(url: str) -> None:
    assert not is_wikipedia(url)


def test_lists_are_clean() -> None:
    for name in ("tracking_parameters.txt", "wikipedia_hosts.txt"):
        listed = word_lists.packaged("pipeline", name)
        assert len(listed) == len(set(listed))
    for entry in word_lists.packaged("pipeline", "wikipedia_hosts.txt"):
        url = urls.normalise(f"http://{entry.removesuffix('*')}")
        assert url is not None
        assert urls.host(url) == entry.partition("/")[0]


def test_entries_of_a_list() -> None:
    assert word_lists.entries("# about\n\n Imgur.com # pictures\r\nb.org\n") == ["imgur.com", "b.org"]


# Against the material of other projects


def _cases(shared_data: Path, name: str) -> list[dict[str, str]]:
    loaded = json.loads((shared_data / "web" / "url_suites" / "ada-wpt" / name).read_text(encoding="utf-8"))
    return [case for case in loaded if isinstance(case, dict) and not case.get("base")]


@pytest.mark.parametrize("name", ["urltestdata.json", "ada_extra_urltestdata.json", "urltestdata-javascript-only.json"])
def test_accepts_what_whatwg_accepts(shared_data: Path, name: str) -> None:
    """Except what can have no page: hosts that no name server can be asked for, addresses of no web server."""
    accepted = 0
    for case in _cases(shared_data, name):
        ours = urls.normalise(case["input"])
        expected = case.get("href", "")
        if case.get("failure") or not expected.startswith(("http://", "https://")):
            assert ours is None, case
            continue
        if ours is None:
            name_of_host = ada_url.URL(expected).hostname
            assert set(name_of_host) - set("abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") or len(expected) > 8000, case
            continue
        accepted += 1
        assert ours == ada_url.URL(ours).href
        assert urls.host(ours) == ada_url.URL(expected).hostname, case
    assert accepted >= {"urltestdata.json": 100}.get(name, 0)


def test_urlcanons_cases_are_idempotent(shared_data: Path) -> None:
    texts = {
        line.strip()
        for file in (shared_data / "web" / "url_suites").rglob("*")
        if file.is_file() and "urlcanon" in str(file)
        for line in file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    }
    for text in texts:
        once = urls.normalise(text)
        assert once is None or urls.normalise(once) == once


def test_public_suffix_lists_own_cases(shared_data: Path) -> None:
    folder = shared_data / "web" / "url_suites" / "psl-tests"
    private = {"blogspot.com", "b.example.uk.com"}
    checked = 0
    for line in (folder / "tests.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if len(words) != 2 or line.startswith("//"):
            continue
        asked, expected = words
        normal = urls.normalise(f"http://{asked}/") if asked != "null" else None
        if normal is None or expected == "null":
            continue
        wanted = urls.host(f"{urls.normalise(f'http://{expected}/')}")
        ours = urls.registrable_domain(normal)
        assert ours == wanted or wanted in private or wanted.endswith(ours), line
        checked += ours == wanted
    assert checked > 30

"""Where hosts stand in an index that is sorted by reversed names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fetch.fallbacks.surt import HostKeys, host_key
from tests.pipeline.fetch.fallbacks.test_columnar import surt


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://www.example.com/a?b", "com,example"),
        ("https://example.com/", "com,example"),
        ("http://www2.example.com/", "com,example"),
        ("http://wwwx.example.com/", "com,example,wwwx"),
        ("http://a.b.co.uk:8080/", "uk,co,b,a"),
        ("http://example.com./", "com,example"),
        ("http://165.22.100.0/", "0,100,22,165"),
    ],
)
def test_keys(url: str, key: str) -> None:
    assert host_key(url) == key


@pytest.mark.parametrize(
    ("lowest", "highest", "inside"),
    [
        ("com,example)/a", "com,example)/b", True),
        ("com,example,sub)/", "com,example,sub)/x", True),
        ("com,example:8080)/", "com,example:8080)/z", True),
        ("com,aaa)/", "com,zzz)/", True),
        ("com,example", "com,example", True),
        ("com,examples)/", "com,zzz)/", False),
        ("com,aaa)/", "com,exampl)/", False),
        ("com,exa)/", "com,exam)/", False),
        ("", "", False),
    ],
)
def test_parts_of_an_index(lowest: str, highest: str, inside: bool) -> None:
    assert HostKeys(["http://www.example.com/page"]).any_between(lowest, highest) is inside


hosts = st.lists(st.sampled_from(["a", "b", "ab", "www", "c-d"]), min_size=2, max_size=4).map(".".join)
addresses = st.builds("http://{}{}/{}".format, hosts, st.sampled_from(["", ":81"]), st.sampled_from(["", "a", "~"]))


@settings(max_examples=60)
@given(st.lists(addresses, min_size=1, max_size=20), st.data())
def test_no_row_is_ever_left_out(index: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(index))
    keys = sorted(map(surt, index))
    first = data.draw(st.integers(0, len(keys) - 1))
    group = keys[first : data.draw(st.integers(first + 1, len(keys)))]
    if surt(wanted) in group:
        assert HostKeys([wanted]).any_between(group[0], group[-1])

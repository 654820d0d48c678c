"""What must not be published is left out, whatever the spelling."""

import pyarrow as pa
import pytest

from pipeline import urls
from pipeline.publish import takedown
from webtext.errors import UserError

URL = "http://www.example.org/a/page/?x=1"


def _reasons(lines: list[str], url: str) -> list[str]:
    table = pa.table({"id": [urls.link_id(url)], "url": [url]})
    return list(takedown.parse(lines, "takedown.txt").reasons(table).to_pylist())


@pytest.mark.parametrize("line", [urls.link_id(URL), URL, "https://example.org/a/page?x=1", f"{URL} # by letter"])
def test_a_page_is_found_by_id_and_by_each_spelling(line: str) -> None:
    assert _reasons([line], URL) == ["taken down"]


@pytest.mark.parametrize("line", ["example.org", "EXAMPLE.org", "www.example.org"])
def test_a_domain_takes_what_is_below_it(line: str) -> None:
    assert _reasons(["# comment", "", line], URL)[0].startswith("taken down with ")


@pytest.mark.parametrize("line", ["ample.org", "example.org.evil.com", "org.example", "http://example.org/a"])
def test_nothing_else_goes(line: str) -> None:
    assert _reasons([line], URL) == [""]


@pytest.mark.parametrize("line", ["not a domain", "ftp://example.org/", "abcdef"])
def test_a_line_that_means_nothing_is_an_error(line: str) -> None:
    with pytest.raises(UserError, match="line 2"):
        takedown.parse(["example.org", line], "takedown.txt")

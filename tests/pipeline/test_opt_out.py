"""Who said no to training, and who spoke of something else."""

import pytest

from pipeline.opt_out import opted_out


@pytest.mark.parametrize(
    ("headers", "metas"),
    [
        ({"x-robots-tag": "noai"}, []),
        ({"x-robots-tag": "noindex, NoAI, noimageai"}, []),
        ({"x-robots-tag": "googlebot: noindex, webtext: noai"}, []),
        ({"x-robots-tag": "*: noai"}, []),
        ({"x-robots-tag": "unavailable_after: 25 Jun 2030 15:00:00 PST, noai"}, []),
        ({"tdm-reservation": "1"}, []),
        ({"content-signal": "search=yes, ai-train=no"}, []),
        ({"content-usage": "train-ai=n"}, []),
        ({}, [("robots", "noai, noimageai")]),
        ({}, [("ROBOTS", "max-image-preview:large,noml")]),
        ({}, [("webtext", "noai")]),
        ({}, [("tdm-reservation", " 1 ")]),
    ],
)
def test_refused(headers: dict[str, str], metas: list[tuple[str, str]]) -> None:
    assert opted_out(headers, metas)


@pytest.mark.parametrize(
    ("headers", "metas"),
    [
        ({}, []),
        ({"x-robots-tag": "noindex, nofollow, none, nosnippet"}, []),
        ({"x-robots-tag": "noimageai"}, []),
        ({"x-robots-tag": "somebot: noai, noindex"}, []),
        ({"tdm-reservation": "0"}, []),
        ({"content-signal": "ai-train=yes, search=no"}, []),
        ({"content-usage": "search=n"}, []),
        ({}, [("description", "noai is a word"), ("robots", "noaiplease")]),
        ({}, [("", ""), ("robots", "")]),
    ],
)
def test_not_refused(headers: dict[str, str], metas: list[tuple[str, str]]) -> None:
    assert opted_out(headers, metas) is None

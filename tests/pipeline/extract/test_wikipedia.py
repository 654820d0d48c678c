"""Wikipedia and its copies go, other wikis stay."""

import gzip
from pathlib import Path

import pytest

from pipeline.extract.decode import decode
from pipeline.extract.wikipedia import wikipedia_sign

OTHER_WIKIS = {"wcxb_test__5461.html.gz", "wcxb_test__5467.html.gz"}
ARTICLE = "<div id='bodyContent'><p>The vole is a small rodent.</p></div>"
MIRROR = (
    "<html><head><title>Vole - Some Encyclopedia</title></head><body><p>From Wikipedia, the free encyclopedia</p>"
    f"{ARTICLE}<p>Text is available under the Creative Commons licence; see Wikipedia. wiki</p></body></html>"
)


def test_real_pages(shared_data: Path) -> None:
    for path in sorted((shared_data / "wikipedia" / "html").glob("*.html.gz")):
        sign = wikipedia_sign(decode(gzip.decompress(path.read_bytes())))
        assert (sign is None) == (path.name in OTHER_WIKIS), (path.name, sign)


@pytest.mark.parametrize(
    "html",
    [
        MIRROR,
        "<link rel='canonical' href='https://fr.wikipedia.org/wiki/Campagnol'>" + ARTICLE,
        '<script>mw.config.set({"wgDBname":"dewiki","wgX":"https://de.wikipedia.org"})</script>' + ARTICLE,
        '<div id="siteSub">aus Wikipedia, der freien Enzyklopädie</div> wiki' + ARTICLE,
        '<p>Retrieved from "<a href="https://en.wikipedia.org/w/index.php?title=Vole&oldid=1">x</a>"</p>' + ARTICLE,
    ],
)
def test_copies(html: str) -> None:
    assert wikipedia_sign(html)


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<p>According to <a href='https://en.wikipedia.org/wiki/Vole'>Wikipedia</a>, voles are rodents.</p>",
        "<meta name='generator' content='MediaWiki 1.39'><div id='siteSub'>From Vole Wiki</div>" + ARTICLE
        + "<p>This article uses material from Wikipedia, CC BY-SA.</p>",
        '<script>{"wgDBname":"mediawikiwiki","wgSiteName":"MediaWiki"}</script> see wikipedia' + ARTICLE,
        "<p>Image: Wikipedia, CC BY-SA 3.0, Creative Commons. wiki</p><p>Our article about voles.</p>",
        "<h1>Why Wikipedia matters</h1><p>The Wikimedia Foundation, Inc runs Wikipedia. Its licence: CC BY-SA</p>",
    ],
)  # fmt: skip
def test_others_stay(html: str) -> None:
    assert wikipedia_sign(html) is None

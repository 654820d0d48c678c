"""Reads the small web's sources: one folder a site under `sites/`, one `.md` file a page, oddities in `oddities.yaml`.

A page's file begins with its particulars as YAML between two lines `---`; the text follows, in the markup of
`markup.py`. In a thread every post begins with a line `=== name | when | more`, and a line `~~~` begins its signature.
What stands around the text is the site's own template, `page.html`, with the site's particulars from `site.yaml`.
"""

import dataclasses
import datetime
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from samples import markup

HERE = Path(__file__).resolve().parent
SITES = HERE / "sites"
UTC = datetime.UTC


@dataclasses.dataclass(frozen=True)
class Post:
    """A submission to be made: `2011-06 history 41 [address]` in a source; the page's own address where none is given."""

    dump: str
    subreddit: str
    score: int
    url: str
    title: str

    @classmethod
    def parse(cls, line: str, url: str, title: str) -> "Post":
        dump, subreddit, score, *address = line.split(" ", 3)
        return cls(dump, subreddit, int(score), address[0] if address else url, title)


@dataclasses.dataclass(frozen=True)
class SpecialPost:
    """A post with fields of its own, and where it must end: `linked`, or why it never becomes a link."""

    post: Post
    fields: Mapping[str, Any]
    expect: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """One person's contribution to a page: the whole text of an article, one post of a thread."""

    author: str
    when: str
    more: str
    text: str
    signature: str

    @property
    def html(self) -> Markup:
        return Markup(markup.to_html(self.text))


@dataclasses.dataclass(frozen=True)
class Page:
    """One page of the small web. `meta` holds all particulars of its file."""

    site: str
    name: str
    meta: Mapping[str, Any]
    entries: tuple[Entry, ...]

    @property
    def url(self) -> str:
        return str(self.meta["url"])

    @property
    def title(self) -> str:
        return str(self.meta["title"])

    @property
    def posts(self) -> list[Post]:
        return [Post.parse(line, self.url, self.title) for line in self.meta.get("posts", ())]

    @property
    def captured(self) -> datetime.datetime:
        """When the archive took it: as the source says, else the 20th of the month of the first post."""
        if "captured" in self.meta:
            return at(self.meta["captured"])
        months = sorted(post.dump for post in self.posts) or ["2016-03"]
        return at(f"{months[0]}-20T06:30:00")

    @property
    def comments(self) -> list[dict[str, str]]:
        """What readers left under the text."""
        return list(self.meta.get("comments", ()))

    @property
    def tags(self) -> list[dict[str, str]]:
        """Further <meta> tags."""
        return list(self.meta.get("tags", ()))

    @property
    def text(self) -> str:
        """What an ideal extractor would find: the text alone, without signatures, comments and the site's furniture."""
        return "\n".join(markup.to_text(entry.text) for entry in self.entries)

    def html(self, related: Iterable["Page"] = ()) -> str:
        """The page as its site serves it."""
        template = templates().get_template(str(site(self.site).get("template", f"{self.site}/page.html")))
        context = {"page": self, "site": site(self.site), "entries": self.entries, "related": tuple(related)}
        return template.render(context | {"charset": declared_charset(self), "body": self.entries[0].html})


def declared_charset(page: Page) -> str | None:
    """The charset that the page's <meta> and header name: its encoding, another one, or none."""
    name = page.meta.get("declared", page.meta.get("encoding", "utf-8"))
    return str(name) if name else None


def at(moment: str | datetime.date) -> datetime.datetime:
    """A moment in UTC from ISO 8601 or from YAML's own date."""
    return datetime.datetime.fromisoformat(str(moment).replace(" ", "T").removesuffix("+00:00")).replace(tzinfo=UTC)


def parse_page(path: Path) -> Page:
    """One page from its file."""
    _, head, text = path.read_text(encoding="utf-8").split("---\n", 2)
    meta = yaml.safe_load(head)
    site_name = path.parent.name
    text = "\n\n".join([text.strip("\n")] * meta.get("times", 1))
    if not text.startswith("==="):
        return Page(site_name, path.stem, meta, (_entry(f"{meta.get('author', '')}|{meta.get('date', '')}", text),))
    parts = ("\n" + text).split("\n=== ")[1:]
    return Page(site_name, path.stem, meta, tuple(_entry(*part.split("\n", 1)) for part in parts))


def _entry(heading: str, text: str) -> Entry:
    author, when, more = [part.strip() for part in heading.split("|")] + [""] * (2 - heading.count("|"))
    text, _, signature = text.partition("\n~~~\n")
    return Entry(author, when, more, text.strip("\n"), signature.strip("\n"))


@functools.cache
def templates() -> jinja2.Environment:
    """The sites' templates, addressed as `site/page.html`."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(SITES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


@functools.cache
def site(name: str) -> Mapping[str, Any]:
    """A site's particulars."""
    found: Mapping[str, Any] = yaml.safe_load((SITES / name / "site.yaml").read_text(encoding="utf-8"))
    return found


@functools.cache
def pages() -> tuple[Page, ...]:
    """All pages, by site and name; copies have their originals' text, edited as their files say."""
    found = [parse_page(path) for path in sorted(SITES.glob("*/*.md"))]
    by_name = {f"{page.site}/{page.name}": page for page in found}
    return tuple(_as_copy(page, by_name) if "copy_of" in page.meta else page for page in found)


def _as_copy(page: Page, by_name: Mapping[str, Page]) -> Page:
    """The original's paragraphs, less those dropped (counted from 1), with phrases replaced, with the file's own text after."""
    original = by_name[page.meta["copy_of"]]
    if "copy_of" in original.meta:
        original = _as_copy(original, by_name)
    dropped = set(page.meta.get("without", ()))
    paragraphs = ["\n".join(block) for block in markup.blocks(original.entries[0].text)]
    text = "\n\n".join(paragraph for number, paragraph in enumerate(paragraphs, 1) if number not in dropped)
    for old, new in page.meta.get("replaced", {}).items():
        if old not in text:
            raise ValueError(f"{page.site}/{page.name}: the original does not say {old!r}")
        text = text.replace(old, new)
    own = page.entries[0].text
    entry = dataclasses.replace(page.entries[0], text=f"{text}\n\n{own}" if own else text)
    meta = {"title": original.title, "author": original.meta.get("author", ""), "date": original.meta["date"]}
    return dataclasses.replace(page, meta=meta | dict(page.meta), entries=(entry,))


def oddities() -> Mapping[str, Any]:
    """What no page of a site tells: redirects, files, broken records, posts that lead nowhere, lines that are no posts."""
    found: Mapping[str, Any] = yaml.safe_load((SITES / "oddities.yaml").read_text(encoding="utf-8"))
    links = [told | {"url": told["url"].ljust(told.get("padded_to", 0), "z")} for told in found["links"]]
    return {**found, "links": links}


def by_address(pages: Iterable[Page]) -> list[Page]:
    """The pages that links ask for: other captures of the same address are the archive's matter."""
    return [page for page in pages if not page.meta.get("other_capture")]


def posts_of(told: Mapping[str, Any]) -> list[Post]:
    """The posts of an address that `oddities.yaml` describes."""
    return [Post.parse(line, told["url"], told["title"]) for line in told.get("posts", ())]


def plain_posts(pages: Iterable[Page], odd: Mapping[str, Any]) -> list[Post]:
    """All posts but the special ones."""
    return [post for page in pages for post in page.posts] + [post for told in odd["links"] for post in posts_of(told)]


def special_posts(odd: Mapping[str, Any]) -> list[SpecialPost]:
    """The posts with fields of their own."""
    return [
        SpecialPost(Post.parse(told["post"], "", told["title"]), told["fields"], told["expect"])
        for told in odd["special_posts"]
    ]

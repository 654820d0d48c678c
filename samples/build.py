"""Builds archives, dumps, the URL list and `expected.yaml` from the sources: `python -m samples.build [FOLDER]`.

The same sources give the same bytes, with the same compression libraries.
"""

import bz2
import hashlib
import lzma
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brotli
import yaml
import zstandard

from samples import archives, dumps, expectations, sources
from samples.sources import HERE, Page, Post


def build(folder: Path) -> None:
    """Write `archives/`, `submissions/`, `urls/` and `expected.yaml` into a folder."""
    for name, content in built().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def built() -> dict[str, bytes]:
    """Every built file's bytes by its path."""
    pages, odd = sources.pages(), sources.oddities()
    files = {f"archives/{name}": content for name, content in archives.archives(_records(pages, odd)).items()}
    for month, name in dumps.FILES.items():
        files[f"submissions/{name}"] = dumps.compressed(name, _lines(month, pages, odd))
    files["urls/extra.txt"] = "".join(f"{line}\n" for line in odd["url_list"]).encode()
    told = yaml.safe_dump(_expected(pages, odd), sort_keys=False, allow_unicode=True, width=200)
    heading = "# Written by build.py: what must become of every link; how it is said is told in README.md.\n"
    files["expected.yaml"] = (heading + told).encode()
    return files


def compressors() -> str:
    """A hash that is equal where the compression libraries give equal bytes: for comparing built files."""
    text = (HERE / "build.py").name.encode() * 1000 + bytes(range(256)) * 40
    made = (zlib.compress(text, 9), bz2.compress(text), lzma.compress(text), brotli.compress(text),
            zstandard.ZstdCompressor(level=19).compress(text))  # fmt: skip
    return hashlib.sha256(b"".join(made)).hexdigest()[:16]


def _records(pages: tuple[Page, ...], odd: Mapping[str, Any]) -> list[archives.Record]:
    found = [archives.odd_record(told) for told in odd["records"]]
    by_key = {}
    for page in pages:
        if page.meta.get("archive") == "nowhere":
            continue
        record = archives.page_record(page, page.html(_related(page, pages)))
        by_key[f"{page.site}/{page.name}"] = record
        found.append(record)
    found += [archives.revisit(by_key[told["of"]], told["at"], told["archive"]) for told in odd["revisits"]]
    return found


def _related(page: Page, pages: tuple[Page, ...]) -> list[Page]:
    """The four pages that follow on the same site, for its navigation."""
    siblings = [other for other in expectations.by_address(pages) if other.site == page.site]
    if page not in siblings:
        return siblings[:4]
    place = siblings.index(page) + 1
    return [other for other in (siblings[place:] + siblings[:place]) if other != page][:4]


def _lines(month: str, pages: tuple[Page, ...], odd: Mapping[str, Any]) -> list[str]:
    """A dump's lines in the order of time, with the odd lines at their places."""
    told = [(post, {}) for post in _plain_posts(pages, odd)] + [(post, fields) for post, fields, _ in _special(odd)]
    posts = [dumps.submission(post, fields) for post, fields in told if post.dump == month]
    posts.sort(key=lambda fields: (float(fields.get("created_utc", 0)), fields["id"]))
    if len({fields["id"] for fields in posts}) != len(posts):
        raise ValueError(f"two posts of {month} have one id")
    lines = [dumps.line(fields, month) + "\n" for fields in posts]
    for odd_line in odd["lines"]:
        if odd_line["dump"] == month:
            place = odd_line["place"] if odd_line["place"] >= 0 else len(lines)
            lines.insert(place, odd_line["line"])
    return lines


def _plain_posts(pages: tuple[Page, ...], odd: Mapping[str, Any]) -> list[Post]:
    posts = [post for page in pages for post in page.posts]
    return posts + [post for told in odd["links"] for post in _posts(told)]


def _posts(told: Mapping[str, Any]) -> list[Post]:
    return [Post.parse(line, told["url"], told["title"]) for line in told.get("posts", ())]


def _special(odd: Mapping[str, Any]) -> list[tuple[Post, dict[str, Any], str]]:
    """Posts with fields of their own, and where they end."""
    return [
        (Post.parse(told["post"], "", told["title"]), dict(told["fields"]), told["expect"])
        for told in odd["special_posts"]
    ]


def _expected(pages: tuple[Page, ...], odd: Mapping[str, Any]) -> dict[str, Any]:
    listed = {line.strip() for line in odd["url_list"]}
    links = []
    special_by_url: dict[str, list[Post]] = {}
    for post, _, expect in _special(odd):
        if expect == "linked":
            special_by_url.setdefault(post.url, []).append(post)
    tellers = [(page.meta, page.posts) for page in expectations.by_address(pages)]
    tellers += [(told, _posts(told)) for told in odd["links"]]
    for told, posts in tellers:
        spellings = {told["url"], *told.get("also", ())}
        extra = [
            post
            for url in dict.fromkeys([told["url"], *(p.url for p in posts)])
            for post in special_by_url.get(url, ())
        ]
        expectation = expectations.link(told, posts + extra, sorted(listed & spellings))
        if expectation:
            links.append(expectation)
    plain = _plain_posts(pages, odd)
    broken = [told["expect"] for told in odd["lines"] if told["expect"] != "blank"]
    counts = expectations.post_reasons(plain, [expect for _, _, expect in _special(odd)] + broken)
    return {
        "config": odd["config"],
        "compressors": compressors(),
        "dump_lines": {"posts": sum(counts.values()), "blank": len(odd["lines"]) - len(broken)},
        "posts": counts,
        "url_list": odd["url_list_counts"],
        "links_only_under_sum": expectations.lost_to_the_rule(plain),
        "groups": odd["groups"],
        "links": sorted(links, key=lambda expectation: str(expectation["url"])),
    }


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)

"""Builds archives, dumps, the URL list and `expected.yaml` from the sources: `python -m samples.build [FOLDER]`.

The same sources give the same bytes, with the same compression libraries.
"""

import bz2
import hashlib
import lzma
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
import zstandard

from samples import archives, dumps, expectations, sources
from samples.sources import HERE, Page


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
    expected = {"compressors": compressors()} | expectations.expected(pages, odd)
    told = yaml.safe_dump(expected, sort_keys=False, allow_unicode=True, width=200)
    heading = "# Written by build.py: what must become of every link; how it is said is told in README.md.\n"
    files["expected.yaml"] = (heading + told).encode()
    return files


def compressors() -> str:
    """A hash that is equal where the compression libraries give equal bytes: for comparing built files."""
    text = (HERE / "build.py").name.encode() * 1000 + bytes(range(256)) * 40
    _, sent = archives.on_the_wire([], text, ("gzip", "br"), 0)
    made = (sent, bz2.compress(text), lzma.compress(text), zstandard.ZstdCompressor(level=19).compress(text))
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
    siblings = [other for other in sources.by_address(pages) if other.site == page.site]
    if page not in siblings:
        return siblings[:4]
    place = siblings.index(page) + 1
    return [other for other in (siblings[place:] + siblings[:place]) if other != page][:4]


def _lines(month: str, pages: tuple[Page, ...], odd: Mapping[str, Any]) -> list[str]:
    """A dump's lines in the order of time, with the odd lines at their places."""
    posts = [dumps.submission(post, {}) for post in sources.plain_posts(pages, odd) if post.dump == month]
    special = [told for told in sources.special_posts(odd) if told.post.dump == month]
    posts += [dumps.submission(told.post, told.fields) for told in special]
    posts.sort(key=lambda fields: (float(fields.get("created_utc", 0)), fields["id"]))
    if len({fields["id"] for fields in posts}) != len(posts):
        raise ValueError(f"two posts of {month} have one id")
    lines = [dumps.line(fields, month) + "\n" for fields in posts]
    for odd_line in odd["lines"]:
        if odd_line["dump"] == month:
            place = odd_line["place"] if odd_line["place"] >= 0 else len(lines)
            lines.insert(place, odd_line["line"])
    return lines


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)

"""Files that the config names: whether they are there, and begin as what they should be."""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.codings import GZIP_MAGIC, ZSTD_MAGIC
from pipeline.config import Harvest
from pipeline.doctor.findings import Finding, ok, problem, warning
from pipeline.harvest import checking
from pipeline.harvest.blocklists import block_lists
from webtext import storage
from webtext.errors import UserError

LOOKED_INTO = 500
"""Of more files than that, so many are opened, evenly spread."""
_HEAD_BYTES = 4096
_TOLD = 3
_BEGINNINGS = (b"WARC/", b"filedesc://")


class Input(NamedTuple):
    """What a key of the config names. missing: the sentence about a pattern that matches nothing."""

    key: str
    files: tuple[str, ...]
    bytes: int
    missing: str = ""


class Flaw(NamedTuple):
    """A file that is not what it should be, and half a sentence that says why."""

    file: str
    why: str


def find(key: str, patterns: Sequence[str]) -> Input:
    """The files that a key's globs match, on whatever file system."""
    try:
        files = storage.expand(patterns, key)
        return Input(key, tuple(files), sum(storage.size(path) for path in files))
    except UserError as error:
        return Input(key, (), 0, str(error))
    except OSError as error:
        return Input(key, (), 0, f"{key}: {patterns[0]!r} cannot be reached ({first_line(error)}); correct the path.")


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def spread(files: Sequence[str], most: int = LOOKED_INTO) -> list[str]:
    """At most so many of them, from the first to the last."""
    if len(files) <= most:
        return list(files)
    return [files[number * len(files) // most] for number in range(most)]


def archive_flaws(files: Sequence[str]) -> list[Flaw]:
    """Those that do not begin as archives do."""
    found = []
    for path in files:
        try:
            with storage.opened(path) as file:
                why = not_an_archive(file.read(_HEAD_BYTES))
        except (OSError, UserError) as error:
            why = f"cannot be read ({first_line(error)})"
        if why:
            found.append(Flaw(path, why))
    return found


def not_an_archive(head: bytes) -> str:
    """Why a file with this beginning is no WARC or ARC file that is read here; empty when it may be one."""
    if not head:
        return "is empty"
    if head.startswith(ZSTD_MAGIC):
        return "is packed with zstd, which is not read: pack it with gzip, record by record"
    begin = head
    if head.startswith(GZIP_MAGIC[:2]):
        try:
            begin = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEAD_BYTES)
        except zlib.error:
            return "is damaged gzip"
    return "" if begin.startswith(_BEGINNINGS) else "begins as neither WARC nor ARC does"


def dump_flaws(files: Sequence[str]) -> list[Flaw]:
    """Those whose first thousand lines are not sound."""
    checked = [checking.check(path, quick=True) for path in files]
    return [Flaw(each.path, "; ".join(each.troubles)) for each in checked if each.troubles]


def check(found: Input, flaws: Sequence[Flaw] = (), *, looked_into: int = 0) -> Finding:
    """What is said of a key's files. looked_into: how many of them were opened."""
    if found.missing:
        return problem(found.key, found.missing)
    many = "1 file" if len(found.files) == 1 else f"{len(found.files):,} files"
    size = f"{many}, {found.bytes / 1e6:,.1f} MB"
    if not flaws:
        told = f", {looked_into:,} of them looked into" if 0 < looked_into < len(found.files) else ""
        return ok(found.key, f"{size}{told}.")
    told = "; ".join(f"{flaw.file} {flaw.why}" for flaw in flaws[:_TOLD])
    more = f"; and {len(flaws) - _TOLD:,} more" if len(flaws) > _TOLD else ""
    say = problem if len(flaws) == looked_into else warning
    return say(found.key, f"{len(flaws):,} of {looked_into:,} are not as they should be: {told}{more}.")


def nothing_to_begin_with() -> Finding:
    """The config names no source of links."""
    return problem("harvest", "there are no links to begin with: give harvest.dumps or harvest.urls at least one file.")


def check_block_lists(section: Harvest) -> Iterator[Finding]:
    """Whether the user's own lists of what is blocked can be read; nothing is said where they can."""
    try:
        block_lists(section.blocked_domains, section.blocked_extensions, section.blocked_subreddits, section.allowed)
    except UserError as error:
        yield problem("harvest", str(error))


def check_release(folder: str, *, whole: bool) -> Finding:
    """Whether an earlier release (dedup.against) is there."""
    if whole:
        return ok("dedup.against", f"{folder} is a whole release.")
    return problem("dedup.against", f"{folder} is no finished release, it has no manifest; correct the path.")


def named(keys: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Input]:
    """What each key names, those that name nothing left out."""
    for key, patterns in keys:
        if patterns:
            yield find(key, patterns)

"""Lists of words in text files: one entry a line, `#` begins a comment, case does not count."""

import functools
from importlib import resources


def entries(text: str) -> list[str]:
    """The entries of a list, lower-cased, in their order; comments and empty lines left out."""
    lines = (line.partition("#")[0].strip().lower() for line in text.splitlines())
    return [line for line in lines if line]


@functools.cache
def packaged(package: str, name: str) -> tuple[str, ...]:
    """The entries of a list that is part of a package, read once."""
    return tuple(entries(resources.files(package).joinpath(name).read_text(encoding="utf-8")))

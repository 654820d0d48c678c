"""Every key of `webtext tokens`: its meaning, its default, and what is allowed."""

from typing import Annotated

import pydantic

from webtext.settings import Section


class TokensConfig(Section):
    """What `webtext tokens` does."""

    output: str
    """The run directory, whose corpus and tokenizer are read and whose folder tokens is written: local, or anything
    that fsspec writes. While it works, tokens/ takes up to twice its final size: 4 bytes a token."""
    tokens_per_file: Annotated[int, pydantic.Field(gt=0, lt=2**31)] = 100_000_000
    """The most tokens in a file, but for a single document that has more. Files end where documents end."""
    workers: Annotated[int, pydantic.Field(ge=0)] = 0
    """Processes that encode; 0: one for each core. Does not change the result."""

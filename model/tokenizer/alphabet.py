"""GPT-2's spelling of bytes: vocabulary files are text, and a token may be any bytes.

Printable bytes stand for themselves, the other 68 for U+0100 and what follows, in their order (openai/gpt-2,
encoder.py). No byte is spelt as whitespace, so a space can part two tokens in a file of merges.
"""

import functools
import itertools
from collections.abc import Mapping


@functools.cache
def characters() -> Mapping[int, str]:
    """The character that spells each of the 256 bytes."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = itertools.count(0x100)
    return {byte: chr(byte) if byte in printable else chr(next(others)) for byte in range(256)}


@functools.cache
def byte_values() -> Mapping[str, int]:
    """The byte that each of the 256 characters spells."""
    return {character: byte for byte, character in characters().items()}


def spelt(token: bytes) -> str:
    """Bytes as a vocabulary file has them."""
    return "".join(map(characters().__getitem__, token))


def unspelt(token: str) -> bytes:
    """The bytes that a vocabulary file's entry means.

    Raises KeyError for a character that spells no byte.
    """
    return bytes(map(byte_values().__getitem__, token))

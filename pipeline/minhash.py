"""What a text is to de-duplication: normalised words, their 5-grams (shingles), a MinHash signature, a content hash.

**Normalisation.** Words are runs of letters, digits and marks; everything else separates them, the underscore too, so
that punctuation, markup and line breaks do not matter. Letters are compared without case and without the diacritics of
U+0300 to U+036F, whether these are composed or not; invisible format characters (soft hyphen, zero-width joiner, byte
order mark) are passed over. Digits count: two price lists or two box scores that differ in their numbers alone are
different texts. Where a script writes no spaces (Han, kana, Thai, Lao, Khmer, Burmese) every letter is a word. Case
folding is one letter to one letter: `ß` stays, a ligature stays.

**Shingles.** Every 5 consecutive words, as in OpenWebText (Gokaslan and Cohen). A text of fewer words is one shingle of
all its words, the empty text too. A shingle's hash has 64 bits; similarities are measured on sets of these.

**Signatures.** datasketch 2.0's default scheme `affine32` with seed 1, over the lower 32 bits of the shingle hash.
`shingle_hash` is the hash function that datasketch needs to give the same values, and a stored signature is a
datasketch MinHash as it stands:

    MinHash(hashvalues=np.frombuffer(signature, "<u4"), hashfunc=shingle_hash, scheme="affine32", seed=1)
"""

import functools
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

SHINGLE_WORDS = 5
SEED = 1
"""datasketch's default seed: its permutations are drawn from it."""

Hashes: TypeAlias = npt.NDArray[np.uint64]
Texts: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray

_TABLE_SIZE = 0x20000
_SEPARATOR = np.uint32(0)
_IGNORED = np.uint32(1)
_ALONE = np.uint32(1 << 31)
"""Set on a letter that is a word of its own."""

_WORD_START = np.uint64(0xCBF29CE484222325)
_WORD_FACTOR = np.uint64(0x00000100000001B3)
"""FNV-1a's, taken over code points instead of bytes (Fowler, Noll and Vo)."""
_SHINGLE_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHINGLE_FACTOR_5 = np.uint64(pow(0x9E3779B97F4A7C15, SHINGLE_WORDS, 1 << 64))
_CONTENT_FACTOR_1 = np.uint64(0xD6E8FEB86659FD93)
_CONTENT_FACTOR_2 = np.uint64(0xA0761D6478BD642F)

_SCRIPTS_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Burmese extension B
    (0xAA60, 0xAA7F),  # Burmese extension A
    (0xF900, 0xFAFF),  # Han compatibility
)


class Sketches(NamedTuple):
    """What the signature datasets say of each text, in the order of the texts."""

    content_hash: pa.FixedSizeBinaryArray
    """16 bytes: equal for texts whose normalised words are equal."""
    shingle_count: pa.Int32Array
    """Distinct shingles."""
    signature: pa.FixedSizeBinaryArray
    """4 bytes a permutation: uint32, little endian."""


class ShingleSets(NamedTuple):
    """The shingle sets of many texts: text i has `hashes[offsets[i]:offsets[i + 1]]`, ascending, each once."""

    hashes: Hashes
    offsets: npt.NDArray[np.int64]


def signatures(texts: Texts, permutations: int = 128) -> Sketches:
    """Sketch many texts at once; give it hundreds or more, as a call has a fixed cost of some 50 microseconds."""
    data, offsets = _utf8(texts)
    count = len(offsets) - 1
    values = np.empty((count, permutations), dtype=np.uint32)
    contents = np.empty((count, 2), dtype=np.uint64)
    shingle_counts = np.empty(count, dtype=np.int32)
    factors, terms = affine_permutations(permutations)
    _sketch(data, offsets, _folding(), factors, terms, values, contents, shingle_counts)
    return Sketches(
        _fixed_binary(contents.astype("<u8", copy=False), 16),
        pa.array(shingle_counts),
        _fixed_binary(values.astype("<u4", copy=False), 4 * permutations),
    )


def shingle_sets(texts: Texts) -> ShingleSets:
    """The shingle hashes of many texts, for measuring similarities; 8 bytes a shingle."""
    data, offsets = _utf8(texts)
    hashes = np.empty(len(data) // 2 + len(offsets), dtype=np.uint64)
    starts = np.empty(len(offsets), dtype=np.int64)
    _shingle(data, offsets, _folding(), hashes, starts)
    hashes = hashes[: starts[-1]]
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        hashes[start:end].sort()
    first = np.ones(len(hashes), dtype=bool)
    first[1:] = hashes[1:] != hashes[:-1]
    first[starts[:-1]] = True
    return ShingleSets(hashes[first], np.concatenate([[0], np.cumsum(first)])[starts])


def shingle_hashes(text: str) -> Hashes:
    """The distinct shingle hashes of one text, ascending."""
    return shingle_sets([text]).hashes


def normalised(text: str) -> str:
    """The text's words as they are compared, with single spaces between: what `signatures` sees, to look at."""
    table, alone = _folding(), int(_ALONE)
    pieces = []
    for letter in text:
        folded = int(table[ord(letter)]) if ord(letter) < _TABLE_SIZE else ord(letter) | alone
        if folded == _SEPARATOR:
            pieces.append(" ")
        elif folded & alone:
            pieces.append(f" {chr(folded ^ alone)} ")
        elif folded != _IGNORED:
            pieces.append(chr(folded))
    return " ".join("".join(pieces).split())


def shingles(text: str) -> list[str]:
    """The text's shingles in their order, repeated ones repeated: normalised words with single spaces between."""
    words = normalised(text).split()
    return [" ".join(words[at : at + SHINGLE_WORDS]) for at in range(max(1, len(words) - SHINGLE_WORDS + 1))]


def shingle_hash(shingle: bytes) -> int:
    """The 32-bit hash under signatures: datasketch's `hashfunc` for shingles as `shingles` gives them, in UTF-8."""
    modulus = 1 << 64
    rolling = 0
    for word in shingle.decode().split():
        value = int(_WORD_START)
        for letter in word:
            value = (value ^ ord(letter)) * int(_WORD_FACTOR) % modulus
        rolling = (rolling * int(_SHINGLE_FACTOR) + _mix64_exact(value)) % modulus
    return _mix64_exact(rolling) & 0xFFFFFFFF


@functools.cache
def affine_permutations(permutations: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Odd factors and terms of h -> factor * h + term mod 2^32, drawn as datasketch 2.0 draws them."""
    draw = np.random.RandomState(SEED)
    factors = draw.randint(0, 1 << 31, permutations, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return factors, draw.randint(0, 1 << 32, permutations, dtype=np.uint32)


def signature_matrix(column: pa.Array | pa.ChunkedArray, permutations: int) -> npt.NDArray[np.uint32]:
    """A column of signatures as an array of shape (rows, permutations).

    Raises AssertionError when the column has another width or nulls.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    assert array.type == pa.binary(4 * permutations), f"a column of {array.type} has not {permutations} permutations"
    assert not array.null_count, "a signature is null"
    flat = np.frombuffer(array.buffers()[1] or b"", dtype="<u4")
    return flat[array.offset * permutations : (array.offset + len(array)) * permutations].reshape(-1, permutations)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with numba, free of the GIL; kept for the next process where a folder can be written."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder that it may write
        return numba.njit(nogil=True)(function)


def _utf8(texts: Texts) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The texts' bytes one after the other, and where each begins (one more offset than texts, the first 0)."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    array = (texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())).cast(pa.large_string())
    assert not array.null_count, "a text is null"
    _, offsets_buffer, data_buffer = array.buffers()
    if not len(array):
        return np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets - offsets[0]


def _fixed_binary(values: npt.NDArray[Any], width: int) -> pa.FixedSizeBinaryArray:
    return pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


@functools.cache
def _folding() -> npt.NDArray[np.uint32]:
    """What each code point below 0x20000 is: a separator, passed over, or the letter it is compared as."""
    table = np.fromiter((_fold(chr(point)) for point in range(_TABLE_SIZE)), dtype=np.uint32, count=_TABLE_SIZE)
    for first, last in _SCRIPTS_WITHOUT_SPACES:
        block = table[first : last + 1]
        block[block > _IGNORED] |= _ALONE
    return table


def _fold(letter: str) -> int | np.uint32:
    category = unicodedata.category(letter)
    if category == "Cf" or "\u0300" <= letter <= "\u036f":
        return _IGNORED
    if category[0] != "M" and not letter.isalnum():
        return _SEPARATOR
    if letter.casefold() == letter and not unicodedata.decomposition(letter):
        return ord(letter)  # nine of ten letters: the rest would find the same, in twice the time
    bare = "".join(c for c in unicodedata.normalize("NFD", letter.casefold()) if not "\u0300" <= c <= "\u036f")
    for candidate in (bare, letter.lower()):
        if len(candidate) == 1:
            return ord(candidate)
    return ord(letter)


def _mix64_exact(value: int) -> int:
    """`_mix64` on Python's integers."""
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD % (1 << 64)
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 % (1 << 64)
    return value ^ (value >> 33)


@kernel
def _mix64(value):  # type: ignore[no-untyped-def]
    """MurmurHash3's 64-bit finaliser (Austin Appleby)."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@kernel
def _mix32(value):  # type: ignore[no-untyped-def]
    """MurmurHash3's 32-bit finaliser: datasketch applies it before its permutations."""
    value ^= value >> np.uint32(16)
    value = np.uint32(value * np.uint32(0x85EBCA6B))
    value ^= value >> np.uint32(13)
    value = np.uint32(value * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@kernel
def _hash_words(data, start, end, folding, words):  # type: ignore[no-untyped-def]
    """Hash each word of the UTF-8 bytes data[start:end] into `words`; returns how many there are."""
    count = 0
    word = _WORD_START
    in_word = False
    at = start
    while at < end:
        byte = data[at]
        if byte < 0x80:
            at += 1
            folded = folding[byte]
        else:
            width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            point = np.uint32(byte & (0x7F >> width))
            for more in range(1, width):
                point = (point << np.uint32(6)) | np.uint32(data[min(at + more, end - 1)] & 0x3F)
            at += width
            folded = folding[point] if point < folding.size else point | _ALONE
        if folded > _IGNORED and folded < _ALONE:
            word = (word ^ np.uint64(folded)) * _WORD_FACTOR
            in_word = True
        elif folded != _IGNORED:
            if in_word:
                words[count] = _mix64(word)
                count += 1
                word = _WORD_START
                in_word = False
            if folded != _SEPARATOR:
                words[count] = _mix64((_WORD_START ^ np.uint64(folded ^ _ALONE)) * _WORD_FACTOR)
                count += 1
    if in_word:
        words[count] = _mix64(word)
        count += 1
    return count


@kernel
def _hash_shingles(words, count, hashes):  # type: ignore[no-untyped-def]
    """Hash every shingle into `hashes`, repeated ones repeated; returns how many there are, at least one."""
    rolling = np.uint64(0)
    for i in range(min(count, SHINGLE_WORDS)):
        rolling = rolling * _SHINGLE_FACTOR + words[i]
    hashes[0] = _mix64(rolling)
    for i in range(SHINGLE_WORDS, count):
        rolling = rolling * _SHINGLE_FACTOR + words[i] - words[i - SHINGLE_WORDS] * _SHINGLE_FACTOR_5
        hashes[i - SHINGLE_WORDS + 1] = _mix64(rolling)
    return max(1, count - SHINGLE_WORDS + 1)


@kernel
def _hash_content(words, count, content):  # type: ignore[no-untyped-def]
    """Hash the sequence of words into `content`, two independent halves."""
    first = np.uint64(count)
    second = np.uint64(0)
    for i in range(count):
        first = (first ^ words[i]) * _CONTENT_FACTOR_1
        first ^= first >> np.uint64(29)
        second = (second + words[i]) * _CONTENT_FACTOR_2
        second ^= second >> np.uint64(32)
    content[0] = _mix64(first)
    content[1] = _mix64(second)


@kernel
def _most_words(offsets):  # type: ignore[no-untyped-def]
    """More than any text can have: a word and what parts it from the next take two bytes, a lone letter three."""
    longest = 0
    for text in range(offsets.size - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    return longest // 2 + 1


@kernel
def _shingle(data, offsets, folding, hashes, starts):  # type: ignore[no-untyped-def]
    """Write all texts' shingle hashes to `hashes`, and where each text's begin to `starts`."""
    words = np.empty(_most_words(offsets), dtype=np.uint64)
    at = 0
    for text in range(offsets.size - 1):
        starts[text] = at
        count = _hash_words(data, offsets[text], offsets[text + 1], folding, words)
        at += _hash_shingles(words, count, hashes[at:])
    starts[offsets.size - 1] = at


@kernel
def _distinct(hashes, count, table):  # type: ignore[no-untyped-def]
    """Move the distinct of hashes[:count] to its front; returns how many.

    table: scratch, its size a power of two and at least twice `count`.
    """
    table[:] = 0
    mask = np.uint64(table.size - 1)
    kept = 0
    zero_seen = False
    for i in range(count):
        value = hashes[i]
        if value == 0:
            new = not zero_seen
            zero_seen = True
        else:
            slot = value & mask
            while table[slot] != 0 and table[slot] != value:
                slot = (slot + np.uint64(1)) & mask
            new = table[slot] == 0
            table[slot] = value
        if new:
            hashes[kept] = value
            kept += 1
    return kept


@kernel
def _sketch(data, offsets, folding, factors, terms, values, contents, counts):  # type: ignore[no-untyped-def]
    """Write signatures (texts x permutations), content hashes (texts x 2) and numbers of distinct shingles (texts)."""
    words = np.empty(_most_words(offsets), dtype=np.uint64)
    hashes = np.empty(words.size, dtype=np.uint64)
    table = np.empty(4 * words.size, dtype=np.uint64)
    for text in range(offsets.size - 1):
        count = _hash_words(data, offsets[text], offsets[text + 1], folding, words)
        _hash_content(words, count, contents[text])
        count = _hash_shingles(words, count, hashes)
        slots = 2
        while slots < 2 * count:
            slots *= 2
        count = _distinct(hashes, count, table[:slots])
        counts[text] = count
        minima = values[text]
        minima[:] = np.uint32(0xFFFFFFFF)
        for i in range(count):
            mixed = _mix32(np.uint32(hashes[i] & np.uint64(0xFFFFFFFF)))
            for k in range(factors.size):
                minima[k] = min(minima[k], np.uint32(factors[k] * mixed + terms[k]))

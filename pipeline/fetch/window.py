"""A file read from its beginning to its end in blocks, with a look ahead, and steps back where a record proves odd."""

import io
from typing import BinaryIO

BLOCK = 1 << 20
KEPT_BEHIND = 8
"""Bytes before the position that stay readable: the end of a gzip member is told by its last ones."""


class Window:
    """The part of a file around one position: a block, and what was looked at ahead."""

    def __init__(self, file: BinaryIO, name: str, block: int = BLOCK) -> None:
        self.name = name
        self.size = file.seek(0, io.SEEK_END)
        """Bytes of the file."""
        file.seek(0)
        self._file = file
        self._block = block
        self._data = b""
        self._start = 0  # the offset in the file of _data[0]
        self._at = 0  # the position, as an index of _data

    @property
    def offset(self) -> int:
        """The position in the file."""
        return self._start + self._at

    @property
    def left(self) -> int:
        """Bytes between the position and the end of the file."""
        return self.size - self.offset

    def peek(self, size: int, ahead: int = 0) -> bytes:
        """`size` bytes from `ahead` bytes after the position, without moving; fewer only at the end of the file."""
        self._hold(ahead + size)
        start = self._at + ahead
        return self._data[start : start + size]

    def behind(self, ahead: int, size: int) -> bytes:
        """The `size` bytes (at most 8) that end `ahead` bytes after the position; fewer where the file begins."""
        self._hold(ahead)
        end = self._at + ahead
        return self._data[max(end - size, 0) : end]

    def find(self, mark: bytes, ahead: int, limit: int) -> int:
        """How many bytes after the position `mark` begins: at least `ahead`, below `limit`; -1 where it does not."""
        searched = ahead
        while True:
            found = self._data.find(mark, self._at + searched, self._at + limit)
            if found >= 0:
                return found - self._at
            held = len(self._data) - self._at
            if held >= min(limit, self.left):
                return -1
            searched = max(searched, held - len(mark) + 1)
            self._hold(held + 1)

    def advance(self, size: int) -> None:
        """Move on by bytes that were peeked."""
        self._at += size

    def move_to(self, offset: int) -> None:
        """Move anywhere in the file; beyond its end is its end. What lies in the window costs nothing."""
        offset = min(offset, self.size)
        index = offset - self._start
        if 0 <= index <= len(self._data):
            self._at = index
            return
        self._file.seek(offset)
        self._data, self._start, self._at = b"", offset, 0

    def _hold(self, size: int) -> None:
        """Read on until `size` bytes from the position are held, or the file ends."""
        missing = min(size, self.left) - (len(self._data) - self._at)
        if missing <= 0:
            return
        keep = max(self._at - KEPT_BEHIND, 0)
        parts = [self._data[keep:]]
        while missing > 0:
            part = self._file.read(max(self._block, missing))
            if not part:
                # The file has become shorter since it was opened.
                self.size = self._start + len(self._data) + sum(map(len, parts[1:]))
                break
            parts.append(part)
            missing -= len(part)
        self._data = b"".join(parts)
        self._start += keep
        self._at -= keep

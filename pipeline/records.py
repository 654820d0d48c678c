"""The bytes of single records, read where they lie in their archives."""

import os
from collections import OrderedDict
from typing import Self

from webtext import storage


def read_record(path: str, offset: int, length: int) -> bytes:
    """The bytes of one record as they lie. For many records use a RecordReader, which keeps files open."""
    with RecordReader() as reader:
        return reader.read(path, offset, length)


class RecordReader:
    """Reads records where they lie, from any file system that fsspec knows.

    Local files stay open, the `max_open` last used; remote ones are asked for exactly the bytes of the record.
    """

    def __init__(self, max_open: int = 64) -> None:
        self._max_open = max_open
        self._descriptors: OrderedDict[str, int] = OrderedDict()

    def read(self, path: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`; fewer where the file ends before.

        Raises OSError when it cannot be read, UserError when a remote one cannot.
        """
        descriptor = self._descriptors.get(path)
        if descriptor is None:
            if not storage.is_local(path):
                return storage.read_range(path, offset, length)
            descriptor = os.open(storage.locate(path)[1], os.O_RDONLY)
            self._descriptors[path] = descriptor
            if len(self._descriptors) > self._max_open:
                os.close(self._descriptors.popitem(last=False)[1])
        else:
            self._descriptors.move_to_end(path)
        return os.pread(descriptor, length, offset)

    def close(self) -> None:
        """Close the files that are open; the reader can be used again afterwards."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""The links that a worker fetches, as columns: at most a few dozen bytes each beside the address itself."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import tables, urls

LINKS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("trail", pa.list_(pa.string()), nullable=False),
    ]
)
"""A link's id, and the addresses that it led through so far: its own first, the one to ask now last."""

Trail = tuple[str, ...]
"""The addresses that a link led through, its own first."""

_NOWHERE = -1


class _Texts:
    """A column of texts, each made when it is asked for, in a third of the time that pyarrow takes for it."""

    def __init__(self, column: Any) -> None:
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        _, starts, content = whole.cast(pa.string()).buffers()
        self._starts = np.frombuffer(starts, np.int32)[whole.offset :] if starts else np.zeros(1, np.int32)
        self._bytes = memoryview(content or b"")

    def __getitem__(self, row: int) -> str:
        return str(self._bytes[self._starts[row] : self._starts[row + 1]], "utf-8")


class Links:
    """Links in the order of their ids, and where in a journal it stands how each ended."""

    def __init__(self, table: pa.Table) -> None:
        table = tables.sorted_by(table, "id").combine_chunks()
        trails = table["trail"].combine_chunks()
        self._ids, self._addresses, self._starts = _Texts(table["id"]), _Texts(trails.values), trails.offsets.to_numpy()
        self._prefixes = tables.id_bytes(table["id"]).view(">u8")[:, 0].astype(np.uint64)
        self._lines = np.full(len(table), _NOWHERE, np.int64)
        self._earlier = np.zeros(len(table), np.bool_)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def ended_count(self) -> int:
        """Of how many it stands somewhere how they ended."""
        return int((self._lines != _NOWHERE).sum())

    def id(self, row: int) -> str:
        """A link's id."""
        return self._ids[row]

    def trail(self, row: int) -> Trail:
        """The addresses that it led through."""
        return tuple(map(self._addresses.__getitem__, range(self._starts[row], self._starts[row + 1])))

    def row(self, link_id: str) -> int | None:
        """The row of an id, None when it is not among these links."""
        prefix = np.uint64(int(link_id[:16], 16))
        first = int(np.searchsorted(self._prefixes, prefix))
        while first < len(self) and self._prefixes[first] == prefix:
            if self.id(first) == link_id:
                return first
            first += 1
        return None

    def ended(self, row: int) -> bool:
        """Whether it stands somewhere how a link ended."""
        return bool(self._lines[row] != _NOWHERE)

    def end(self, row: int, line: int, *, earlier: bool = False) -> None:
        """It stands in the line that begins at this byte. earlier: since a run before this one."""
        self._lines[row] = line
        self._earlier[row] = earlier

    def line(self, row: int) -> int | None:
        """Where it stands how a link ended."""
        return int(self._lines[row]) if self.ended(row) else None

    def by_host(self) -> Iterator[tuple[str, list[int]]]:
        """The rows of each host that this run is for, in order."""
        hosts: dict[str, list[int]] = {}
        for row in np.flatnonzero(~self._earlier).tolist():
            last = self._addresses[self._starts[row + 1] - 1]
            hosts.setdefault(urls.host(last), []).append(row)
        yield from hosts.items()

    def ended_earlier(self) -> Iterator[int]:
        """The rows of links that a run before this one brought to their end."""
        yield from np.flatnonzero(self._earlier).tolist()


def links_table(rows: Iterable[tuple[str, Iterable[str]]]) -> pa.Table:
    """Ids and trails as a table of LINKS."""
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)] or [[], []]
    return pa.table([pa.array(columns[0], pa.string()), pa.array(columns[1], pa.list_(pa.string()))], schema=LINKS)

"""What one worker does in each step of the search, as functions from a part and its messages to messages for others.

Every step reads the files of one part and sends numbers; only `send_texts` sends texts, those of candidates, because
compressed text is a third of the bytes of its shingle hashes.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import minhash, tables
from pipeline.dedup import banding, candidates, exact, keepers, sources, verify
from pipeline.dedup.components import Components
from pipeline.dedup.messages import (
    BANDED,
    EDGES,
    FALLS,
    KEYED,
    NAMED,
    PAIRS,
    TWINS,
    arrays,
    by_key,
    by_part,
    groups,
    opened,
    table,
)
from pipeline.dedup.sources import Keep, Part, Standing
from pipeline.minhash import ShingleSets

Message: TypeAlias = tuple[int, bytes]


class Count(NamedTuple):
    """Something that a step counted, among its messages."""

    name: str
    number: int


RANK_COLUMNS = ("char_count", "score", "created_utc")


@dataclasses.dataclass(frozen=True)
class Steps:
    """The parts that take part and the rules that hold for all.

    ranges: into how many ranges of hashes a shuffle is cut.
    """

    parts: tuple[Part, ...]
    threshold: float
    permutations: int
    keep: Keep
    ranges: int

    @property
    def standings(self) -> npt.NDArray[np.int64]:
        """The standing of each part, by its number."""
        return np.array([part.standing for part in self.parts], dtype=np.int64)

    def documents(self, part: int, messages: Iterable[bytes], columns: tuple[str, ...]) -> "Documents":
        """The part's documents but for those that messages (TWINS) say have fallen already."""
        source = self.parts[part]
        read = sources.read_signatures(source, self.permutations, columns + RANK_COLUMNS)
        stays = np.ones(read.num_rows, dtype=bool)
        stays[sources.rows_of(opened(messages, TWINS)["fallen"].to_numpy())] = False
        rows = np.flatnonzero(stays)
        if len(rows) < read.num_rows:
            read = read.take(pa.array(rows))
        return Documents(sources.ordinals_of(part, rows), sources.ranks(read, self.keep), read)

    # equal documents

    def send_links(self, part: int, messages: Iterable[bytes]) -> Iterator[Message]:
        """Send every document to the range of its id."""
        found = self.documents(part, messages, ("id",))
        return self._send_keys(found, exact.link_keys(found.columns["id"]))

    def send_contents(self, part: int, messages: Iterable[bytes]) -> Iterator[Message]:
        """Send every document to the range of its content hash."""
        found = self.documents(part, messages, ("content_hash",))
        return self._send_keys(found, exact.content_keys(found.columns["content_hash"]))

    def _send_keys(self, found: "Documents", keys: npt.NDArray[np.uint64]) -> Iterator[Message]:
        keyed = table(KEYED, keys[:, 0], keys[:, 1], found.ordinals, found.ranks)
        return by_key(keyed, banding.ranges(keys[:, 0], self.ranges))

    def find_twins(self, messages: Iterable[bytes]) -> Iterator[Message]:
        """Of a range of keys, the documents that equal a better one: TWINS, to the part of the one that falls."""
        keyed = opened(messages, KEYED)
        keys = np.stack([keyed["key_0"].to_numpy(), keyed["key_1"].to_numpy()], axis=1)
        ordinals = keyed["ordinal"].to_numpy()
        found = exact.twins(keys, ordinals, keyed["rank"].to_numpy(), self.standings[sources.parts_of(ordinals)])
        return by_part(table(TWINS, *found), "fallen")

    # documents that may be alike

    def send_bands(self, part: int, messages: Iterable[bytes]) -> Iterator[Message]:
        """Send every document to the buckets of its bands."""
        bands = banding.choose(self.threshold, self.permutations)
        found = self.documents(part, messages, ("signature",))
        signatures = minhash.signature_matrix(found.columns["signature"], self.permutations)
        for band in range(bands.bands):
            hashes = banding.band_hashes(signatures, band, bands.rows)
            banded = table(BANDED, hashes.astype(np.uint32), found.ordinals, found.ranks)
            for key, message in by_key(banded, banding.ranges(hashes, self.ranges)):
                yield band * self.ranges + key, message

    def find_pairs(self, messages: Iterable[bytes]) -> Iterator[Message]:
        """Of a range of one band, the pairs that met: PAIRS, to the part of the left one."""
        banded = opened(messages, BANDED)
        ordinals = banded["ordinal"].to_numpy()
        hashes = banded["hash"].to_numpy().astype(np.uint64)
        standings = self.standings[sources.parts_of(ordinals)]
        left, right = candidates.candidate_pairs(hashes, ordinals, banded["rank"].to_numpy(), standings)
        return by_part(table(PAIRS, left, right, np.zeros(len(left), dtype=bool)), "left")

    # documents that are alike

    def send_digests(self, part: int, messages: Iterable[bytes]) -> Iterator[Message | Count]:
        """Send the signatures of the part's documents, digested, to the parts of those they met."""
        met = opened(messages, PAIRS)
        left, right = candidates.unique_pairs(met["left"].to_numpy(), met["right"].to_numpy())
        digests = verify.digests(self._signatures(part)[sources.rows_of(left)])
        columns = {"left": left, "right": right, "digest": verify.digest_column(digests)}
        yield Count("candidate_pairs", len(left))
        yield from by_part(pa.table(columns), "right")

    def compare_digests(self, part: int, messages: Iterable[bytes]) -> Iterator[Message | Count]:
        """Let those pairs go whose signatures say that they are unlike: PAIRS, to the part of the left one."""
        least = verify.least_estimate(self.threshold, self.permutations)
        signatures = self._signatures(part)
        for message in messages:
            met = tables.unpack([message], PAIRS)
            right = met["right"].to_numpy()
            own = verify.digests(signatures[sources.rows_of(right)])
            alike = verify.estimates(verify.digest_matrix(met["digest"]), own) >= least
            kept = table(PAIRS, met["left"].to_numpy()[alike], right[alike], np.zeros(alike.sum(), dtype=bool))
            yield Count("measured_pairs", kept.num_rows)
            yield from by_part(kept, "left")

    def _signatures(self, part: int) -> npt.NDArray[np.uint32]:
        read = sources.read_signatures(self.parts[part], self.permutations, ("signature",))
        return minhash.signature_matrix(read["signature"], self.permutations)

    def send_texts(self, part: int, messages: Iterable[bytes]) -> Iterator[Message]:
        """Send the texts of the part's candidates to the parts of those they may be like."""
        pairs = tables.sorted_by(opened(messages, PAIRS), "left", "right")
        rows = sources.rows_of(pairs["left"].to_numpy())
        ranks = self.documents(part, (), ()).ranks
        for read, columns in sources.read_rows(self.parts[part], np.unique(rows), ("text",)):
            first, last = np.searchsorted(rows, read[0].as_py()), np.searchsorted(rows, read[-1].as_py(), "right")
            here, own = pairs.slice(first, last - first), rows[first:last]
            at = np.searchsorted(read.to_numpy(), own)
            with_ranks = here.append_column("left_rank", pa.array(ranks[own])).append_column("text", pa.array(at))
            for key, group in groups(with_ranks, sources.parts_of(here["right"].to_numpy())):
                used, indices = np.unique(group["text"].to_numpy(), return_inverse=True)
                texts = pa.DictionaryArray.from_arrays(
                    pa.array(indices.astype(np.int32)), columns["text"].combine_chunks().take(pa.array(used))
                )
                yield key, tables.pack(group.set_column(group.column_names.index("text"), "text", texts))

    def measure(self, part: int, messages: Iterable[bytes]) -> Iterator[Message | Count]:
        """The similarities of pairs whose right documents lie in the part, where they reach the threshold: EDGES."""
        received = [tables.unpack([message], PAIRS) for message in messages]
        rights = np.unique(np.concatenate([sources.rows_of(each["right"].to_numpy()) for each in received]))
        texts = list(sources.read_rows(self.parts[part], rows=rights, columns=("text",)))
        own = OwnTexts.of([(rows.to_numpy(), minhash.shingle_sets(read["text"])) for rows, read in texts])
        ranks = self.documents(part, (), ()).ranks
        measured = [self._edges(each, own, ranks) for each in received]
        edges = tables.sorted_by(pa.concat_tables(measured), "left", "right")
        yield Count("similar_pairs", edges.num_rows)
        yield part, tables.pack(edges)

    def _edges(self, pairs: pa.Table, own: "OwnTexts", ranks: sources.Ranks) -> pa.Table:
        held, sets = own.find(sources.rows_of(pairs["right"].to_numpy()))
        pairs = pairs.filter(pa.array(held))
        texts = pairs["text"].combine_chunks()
        received = minhash.shingle_sets(texts.dictionary)
        similarity = verify.similarities(received, texts.indices.to_numpy().astype(np.int64), own.sets, sets)
        edges = table(
            EDGES,
            pairs["left"].to_numpy(),
            pairs["right"].to_numpy(),
            pairs["left_rank"].to_numpy(),
            ranks[sources.rows_of(pairs["right"].to_numpy())],
            similarity.astype(np.float32),
            pairs["same_link"].to_numpy(),
        )
        return edges.filter(pa.array((similarity >= self.threshold) | pairs["same_link"].to_numpy()))

    # who falls

    def own_edges(self, one: sources.Ordinals, other: sources.Ordinals) -> tuple[sources.Ordinals, sources.Ordinals]:
        """The edges between documents of this run."""
        own = (self.standings[sources.parts_of(one)] == Standing.RUN) & (
            self.standings[sources.parts_of(other)] == Standing.RUN
        )
        return one[own], other[own]

    def send_edges(self, message: bytes, components: Components) -> Iterator[Message]:
        """Send edges where all edges of their component go: EDGES, to one of `ranges` groups."""
        edges = opened([message], EDGES)
        left = edges["left"].to_numpy()  # of this run: its parts come first
        labels = components.label_of(left).astype(np.uint64)
        mixed = labels * np.uint64(0x9E3779B97F4A7C15)
        return by_key(edges, banding.ranges(mixed, self.ranges))

    def choose_keepers(self, messages: Iterable[bytes]) -> Iterator[Message]:
        """Of whole components, who falls to whom: FALLS, to the part of the one that falls."""
        edges = arrays(opened(messages, EDGES), keepers.Edges)
        return by_part(table(FALLS, *keepers.choose(edges, self.standings)), "fallen")

    def follow_twins(self, twin_messages: Iterable[bytes], fall_messages: Iterable[bytes]) -> Iterator[Message]:
        """All falls that concern a part: its own and those of documents that equal one of it: to the keepers' parts."""
        own = arrays(tables.sorted_by(opened(fall_messages, FALLS), "fallen"), keepers.Falls)
        twins = opened(twin_messages, TWINS)
        equal = keepers.follow(twins["fallen"].to_numpy(), twins["keeper"].to_numpy(), own, self.standings)
        both = [table(FALLS, *own), table(FALLS, *equal)]
        return by_part(tables.sorted_by(pa.concat_tables(both), "fallen"), "keeper")

    def name_keepers(self, part: int, messages: Iterable[bytes]) -> Iterator[Message]:
        """Write the ids and addresses of the part's keepers into the falls: NAMED, to the parts of those that fall."""
        falls = opened(messages, FALLS)
        rows = sources.rows_of(falls["keeper"].to_numpy())
        source = self.parts[part]
        ids = sources.read_signatures(source, self.permutations, ("id",))["id"].take(pa.array(rows))
        urls = dict.fromkeys(rows.tolist(), "")
        for read, columns in sources.read_rows(source, np.unique(rows), ("url",)):
            urls.update(zip(read.to_pylist(), columns["url"].to_pylist(), strict=True))
        named = table(
            NAMED,
            falls["fallen"].to_numpy(),
            ids.to_pylist(),
            falls["similarity"].to_numpy(),
            falls["cause"].to_numpy(),
            [source.release] * falls.num_rows,
            [urls[row] for row in rows.tolist()],
        )
        return by_part(named, "fallen")


@dataclasses.dataclass(frozen=True)
class Documents:
    """Some documents of a part, one entry each."""

    ordinals: sources.Ordinals
    ranks: sources.Ranks
    columns: pa.Table


@dataclasses.dataclass(frozen=True)
class OwnTexts:
    """Shingle sets of some rows of a part. rows: ascending; row rows[i] has the set places[i] of `sets`."""

    rows: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    sets: ShingleSets

    @classmethod
    def of(cls, pieces: list[tuple[npt.NDArray[np.int64], ShingleSets]]) -> "OwnTexts":
        """Put together what was read piece by piece, in any order."""
        rows = np.concatenate([np.empty(0, dtype=np.int64), *(rows for rows, _ in pieces)])
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *(sets.hashes for _, sets in pieces)])
        sizes = np.concatenate([np.zeros(1, dtype=np.int64), *(np.diff(sets.offsets) for _, sets in pieces)])
        places = np.argsort(rows)
        return cls(rows[places], places, ShingleSets(hashes, np.cumsum(sizes)))

    def find(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Which of the rows are there, and the sets of those that are."""
        if not len(self.rows):
            return np.zeros(len(rows), dtype=bool), np.empty(0, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        held = self.rows[at] == rows
        return held, self.places[at[held]]

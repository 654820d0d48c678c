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
    opened,
    table,
    to_followers,
)
from pipeline.dedup.sources import Keep, Ordinals, Part, Standing
from pipeline.minhash import ShingleSets

Message: TypeAlias = tuple[int, bytes]


class Count(NamedTuple):
    """Something that a step counted, among its messages."""

    name: str
    number: int


PAIRS_AT_ONCE = 1 << 16
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
        """Send every document to the range of its id; reference texts have ids of their own, which are no links'."""
        if self.parts[part].standing == Standing.REFERENCE:
            return iter(())
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
        """Of a range of one band, the pairs that met: PAIRS, to the parts of the leaders."""
        banded = opened(messages, BANDED)
        ordinals = banded["ordinal"].to_numpy()
        hashes = banded["hash"].to_numpy().astype(np.uint64)
        standings = self.standings[sources.parts_of(ordinals)]
        pairs = candidates.candidate_pairs(hashes, ordinals, banded["rank"].to_numpy(), standings)
        return by_part(table(PAIRS, *pairs, np.zeros(len(pairs.leader), dtype=bool)), "leader")

    # documents that are alike

    def send_digests(self, part: int, messages: Iterable[bytes]) -> Iterator[Message | Count]:
        """Send the signatures of the part's leaders, digested, to the parts of their followers."""
        met = opened(messages, PAIRS)
        pairs = candidates.unique_pairs(met["leader"].to_numpy(), met["follower"].to_numpy())
        rows, places = np.unique(sources.rows_of(pairs.leader), return_inverse=True)
        digests = verify.digest_column(verify.digests(self._signatures(part)[rows]))
        yield Count("candidate_pairs", len(places))
        yield from to_followers(table(PAIRS, *pairs, np.zeros(len(places), dtype=bool)), places, digests, "digest")

    def compare_digests(self, part: int, messages: Iterable[bytes]) -> Iterator[Message | Count]:
        """Let those pairs go whose signatures say that they are unlike: PAIRS, to the parts of the leaders."""
        least = verify.least_estimate(self.threshold, self.permutations)
        signatures = self._signatures(part)
        for message in messages:
            met = tables.unpack([message], PAIRS)
            digest = met["digest"].combine_chunks()
            followers = sources.rows_of(met["follower"].to_numpy())
            alike = np.empty(len(followers), dtype=bool)
            for first in range(0, len(followers), PAIRS_AT_ONCE):
                some = slice(first, first + PAIRS_AT_ONCE)
                sent = verify.digest_matrix(digest.dictionary)[digest.indices.to_numpy()[some]]
                alike[some] = verify.estimates(sent, verify.digests(signatures[followers[some]])) >= least
            kept = met.select(PAIRS.names).filter(pa.array(alike))
            yield Count("measured_pairs", kept.num_rows)
            yield from by_part(kept, "leader")

    def _signatures(self, part: int) -> npt.NDArray[np.uint32]:
        read = sources.read_signatures(self.parts[part], self.permutations, ("signature",))
        return minhash.signature_matrix(read["signature"], self.permutations)

    def send_texts(self, part: int, messages: Iterable[bytes]) -> Iterator[Message]:
        """Send the texts of the part's leaders to the parts of their followers."""
        pairs = tables.sorted_by(opened(messages, PAIRS), "leader", "follower")
        rows = sources.rows_of(pairs["leader"].to_numpy())
        ranks = self.documents(part, (), ()).ranks
        pairs = pairs.append_column("leader_rank", pa.array(ranks[rows]))
        for read, columns in sources.read_rows(self.parts[part], np.unique(rows), ("text",)):
            order = np.argsort(read)
            first, last = np.searchsorted(rows, read[order[0]]), np.searchsorted(rows, read[order[-1]], "right")
            at = np.searchsorted(read[order], rows[first:last])
            here = read[order[at]] == rows[first:last]
            some = pairs.slice(first, last - first).filter(pa.array(here))
            yield from to_followers(some, order[at[here]], columns["text"].combine_chunks(), "text")

    def measure(self, part: int, messages: Iterable[bytes]) -> Iterator[Message | Count]:
        """The similarities of the part's documents with their leaders, where they reach the threshold: EDGES."""
        received = [tables.unpack([message], PAIRS) for message in messages]
        rows = np.unique(np.concatenate([sources.rows_of(each["follower"].to_numpy()) for each in received]))
        texts = pa.concat_arrays(
            [chunk for _, read in sources.read_rows(self.parts[part], rows, ("text",)) for chunk in read["text"].chunks]
        )
        own = minhash.shingle_sets(texts)
        ranks = self.documents(part, (), ()).ranks
        edges = pa.concat_tables([self._edges(pairs, rows, own, ranks) for pairs in received])
        yield Count("similar_pairs", edges.num_rows)
        yield part, tables.pack(tables.sorted_by(edges, "leader", "follower"))

    def _edges(self, pairs: pa.Table, rows: npt.NDArray[np.int64], own: ShingleSets, ranks: sources.Ranks) -> pa.Table:
        texts = pairs["text"].combine_chunks()
        followers = sources.rows_of(pairs["follower"].to_numpy())
        similarity = verify.similarities(
            minhash.shingle_sets(texts.dictionary),
            texts.indices.to_numpy().astype(np.int64),
            own,
            np.searchsorted(rows, followers),
        )
        same_link = pairs["same_link"].to_numpy()
        edges = table(
            EDGES,
            pairs["leader"],
            pairs["follower"],
            pairs["leader_rank"],
            ranks[followers],
            similarity.astype(np.float32),
            same_link,
        )
        return edges.filter(pa.array((similarity >= self.threshold) | same_link))

    # who falls

    def own_edges(self, leaders: Ordinals, followers: Ordinals) -> tuple[Ordinals, Ordinals]:
        """The edges between documents of this run: followers always are."""
        own = self.standings[sources.parts_of(leaders)] == Standing.RUN
        return leaders[own], followers[own]

    def send_edges(self, message: bytes, components: Components) -> Iterator[Message]:
        """Send edges where all edges of their component go: EDGES, to one of `ranges` groups."""
        edges = opened([message], EDGES)
        labels = components.label_of(edges["follower"].to_numpy()).astype(np.uint64)
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
            urls.update(zip(read.tolist(), columns["url"].to_pylist(), strict=True))
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

    ordinals: Ordinals
    ranks: sources.Ranks
    columns: pa.Table

"""The columns of every dataset of a run, declared once, each with a sentence.

Times are UTC. `id` is the link's id everywhere: see `pipeline.urls.link_id`.
"""

import pyarrow as pa


def _column(name: str, kind: pa.DataType, meaning: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"comment": meaning})


TIME = pa.timestamp("ms", tz="UTC")
"""Parquet has nothing coarser; all times are whole seconds."""

SECONDS = pa.timestamp("s", tz="UTC")
"""What whole numbers of seconds are cast to on their way to TIME, and back."""

STRINGS = pa.list_(pa.field("element", pa.string(), nullable=False))

SUBMISSION = pa.struct(
    [
        _column("id", pa.string(), "Reddit's id of the post, without t3_; empty for a line of a URL list."),
        _column("subreddit", pa.string(), "Where it was posted, as Reddit spells it."),
        _column("score", pa.int64(), "Its karma when it was recorded.", nullable=True),
        _column("created_utc", TIME, "When it was posted.", nullable=True),
        _column("title", pa.string(), "Its title."),
        _column("source", pa.string(), "The file it was read from, without its folder."),
    ]
)

LINKS = pa.schema(
    [
        _column("id", pa.string(), "32 hex digits: the hash of the canonical URL."),
        _column("url", pa.string(), "The address to fetch, as its earliest eligible post gave it, normalised."),
        _column("domain", pa.string(), "The registrable domain (public suffix plus one label)."),
        _column("score", pa.int64(), "Karma under the karma rule; null for links of URL lists.", nullable=True),
        _column("created_utc", TIME, "The earliest eligible post; null for links of URL lists.", nullable=True),
        _column("submissions", pa.list_(pa.field("element", SUBMISSION, nullable=False)), "The eligible posts, by id."),
    ]
)

PAGES = pa.schema(
    [
        _column("id", pa.string(), "The link's id."),
        _column("url", pa.string(), "The address that was asked for."),
        _column("final_url", pa.string(), "The address that answered, after redirects.", nullable=True),
        _column("status", pa.int32(), "The HTTP status of the answer.", nullable=True),
        _column("content_type", pa.string(), "The answer's content type, as it was sent.", nullable=True),
        _column("fetched_at", TIME, "When the answer was recorded.", nullable=True),
        _column("source", pa.string(), "live, commoncrawl, wayback or warc.", nullable=True),
        _column("warc_file", pa.string(), "The archive that holds the answer.", nullable=True),
        _column("warc_offset", pa.int64(), "The byte where its record begins in the file.", nullable=True),
        _column("warc_length", pa.int64(), "The record's bytes in the file, compressed as they lie.", nullable=True),
        _column("payload_sha256", pa.string(), "sha256 of the body as sent, transfer coding undone.", nullable=True),
        _column("outcome", pa.string(), "fetched, dropped, failed or deferred."),
        _column("reason", pa.string(), "Why, in the ledger's words; empty when fetched."),
        _column("detail", pa.string(), "What exactly: a status, a redirect, the parser's words."),
    ]
)

DOCUMENTS = pa.schema(
    [
        _column("id", pa.string(), "The link's id."),
        _column("text", pa.string(), "The page's own text: paragraphs between line feeds, no markup."),
        _column("url", pa.string(), "The link's address."),
        _column("domain", pa.string(), "Its registrable domain."),
        _column("title", pa.string(), "The page's title, or the post's where it has none."),
        _column("language", pa.string(), "ISO 639-1 code of the text's language."),
        _column("language_score", pa.float32(), "How sure that is, from 0 to 1."),
        _column("score", pa.int64(), "Karma under the karma rule.", nullable=True),
        _column(
            "subreddits", pa.list_(pa.field("element", pa.string(), nullable=False)), "Where it was posted, sorted."
        ),
        _column(
            "submission_ids", pa.list_(pa.field("element", pa.string(), nullable=False)), "Its posts' ids, sorted."
        ),
        _column("created_utc", TIME, "The earliest eligible post.", nullable=True),
        _column("fetched_at", TIME, "When the page was recorded.", nullable=True),
        _column("source", pa.string(), "live, commoncrawl, wayback or warc."),
        _column("char_count", pa.int64(), "Characters (Unicode code points) of the text."),
        _column("word_count", pa.int64(), "Words of the text: runs between white space."),
        _column("text_sha256", pa.string(), "sha256 of the text's UTF-8 bytes."),
    ]
)
"""Also the columns of the release's `data/`."""

PERMUTATIONS_KEY = b"permutations"


def signatures(permutations: int) -> pa.Schema:
    """The columns of `_signatures` and of a release's `signatures/`, for MinHash with so many permutations."""
    return pa.schema(
        [
            _column("id", pa.string(), "The document's id."),
            _column("content_hash", pa.binary(16), "Hash of the normalised text: equal for exact duplicates."),
            _column("shingle_count", pa.int32(), "Distinct word 5-grams of the normalised text."),
            _column(
                "signature",
                pa.binary(4 * permutations),
                "MinHash values: uint32, little endian, as datasketch has them.",
            ),
            _column("char_count", pa.int64(), "Characters of the text: for choosing whom to keep."),
            _column("score", pa.int64(), "Karma: for choosing whom to keep.", nullable=True),
            _column("created_utc", TIME, "Earliest post: for choosing whom to keep.", nullable=True),
        ],
        metadata={PERMUTATIONS_KEY: str(permutations).encode()},
    )


DUPLICATES = pa.schema(
    [
        _column("id", pa.string(), "The document that falls."),
        _column("keeper", pa.string(), "The document that stays in its stead: never one that falls itself."),
        _column("similarity", pa.float32(), "Jaccard similarity of their word 5-grams, measured on the texts."),
        _column("reason", pa.string(), "exact_duplicate, near_duplicate or wikipedia_mirror."),
        _column("keeper_release", pa.string(), "The earlier release that holds the keeper; empty when it is this one."),
        _column("keeper_url", pa.string(), "The keeper's address, to look at without a join."),
    ]
)

LEDGER = pa.schema(
    [
        _column("id", pa.string(), "The link's id."),
        _column("url", pa.string(), "Its address."),
        _column("stage", pa.string(), "The stage in which it ended: links, pages, documents, duplicates or corpus."),
        _column("outcome", pa.string(), "kept, dropped, failed or deferred."),
        _column("reason", pa.string(), "One of pipeline.ledger.Reason."),
        _column("detail", pa.string(), "What exactly; empty where the reason says all."),
    ]
)

"""Records as they lie in Common Crawl's files, cut out by an index's word: is it the one that was looked for?"""

import zlib

from pipeline import urls
from pipeline.fetch.fallbacks.held import Held
from pipeline.fetch.fallbacks.taken import Taken
from pipeline.fetch.live.transfer import Exchange
from pipeline.fetch.live.warc_records import copied_record
from pipeline.ledger import Ending, Reason, dropped, failed
from pipeline.warc import MAX_HEAD, block_of, parse_record

_GZIP = 31
_WARC = b"WARC/"


def taken_from(part: bytes, held: Held, source: str, max_bytes: int) -> Taken | Ending:
    """The capture in some bytes of a file.

    part: what lies where the index says. source: where that is. max_bytes: of a page, inflated.
    A WARC record is kept byte for byte; one of the older ARC files is given a WARC head, its block kept.
    """
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(part, max_bytes + MAX_HEAD)
    except zlib.error:
        return _not_there("no gzip member in its place")
    if inflater.unconsumed_tail:
        return dropped(Reason.TOO_LARGE, f"more than {max_bytes} bytes")
    if not inflater.eof:
        return _not_there("a record that breaks off")
    record = parse_record(plain, max_bytes)
    if isinstance(record, Ending):
        return record if record.reason is Reason.TOO_LARGE else _not_there(f"{record.reason}: {record.detail}")
    head, http = record.head, record.http
    if head.kind != "response" or http is None:
        return _not_there(f"a record of type {head.kind or 'unknown'}")
    url, looked_for = urls.normalise(head.url), urls.normalise(held.url)
    if url is None or looked_for is None or urls.link_id(url) != urls.link_id(looked_for):
        return _not_there(f"a record of {head.url[:200]} in its place")
    date = held.date if head.date is None else head.date
    member = part[: len(part) - len(inflater.unused_data)]
    if not plain.startswith(_WARC):
        member = copied_record(Exchange(url, b"", block_of(plain, head).body, http, date, ""), source)
    return Taken(url, date, http, record.payload, member, record.flaw)


def _not_there(words: str) -> Ending:
    return failed(Reason.NOT_IN_ARCHIVE, words)

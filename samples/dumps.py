"""Writes the posts as monthly dumps, each in the format and with the fields of its years.

What a dump says beside the address, the karma and the time is made up from a hash of the post, so that it is the same
every time. A dump is a list of lines; `compressed` makes the file.
"""

import bz2
import datetime
import hashlib
import html
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import zstandard

from samples.sources import UTC, Post

FILES = {
    "2008-03": "RS_2008-03.bz2",
    "2011-06": "RS_2011-06.xz",
    "2014-05": "RS_2014-05.zst",
    "2015-10": "RS_2015-10.gz",
    "2017-09": "RS_2017-09.zst",
    "2017-12": "RS_2017-12.ndjson",
    "2018-01": "RS_2018-01.zst",
}
AUTHORS = ("[deleted]", "tallowgate", "mirefield", "oddsocket", "penny_whin", "borrowed_ladder", "kestrelnoon",
           "quillback", "saltpan77", "threehalfpence", "veldt_walker", "brass_monkey_9", "lintel", "moss_agate",
           "hollowway", "nightbus", "second_breakfast", "umber", "wicket_keeper", "yarrow_stalk")  # fmt: skip
Fields = dict[str, Any]


def submission(post: Post, changes: Mapping[str, Any]) -> Fields:
    """A post as the dump of its month holds it; `changes` overrides fields, or takes them out where None is "absent"."""
    digest = hashlib.sha256(f"{post.dump} {post.subreddit} {post.score} {post.url} {post.title}".encode()).digest()
    number = int.from_bytes(digest[:8])
    created = _month_start(post.dump) + number % (28 * 86400)
    domain = post.url.split("://", 1)[-1].split("/", 1)[0].lower().removeprefix("www.").split(":")[0]
    fields = ERAS[post.dump](post, number, created, domain)
    fields |= changes
    return {name: value for name, value in fields.items() if value != "absent"}


def line(fields: Mapping[str, Any], dump: str) -> str:
    """One line as the dump's makers wrote it: some with spaces, some without, some with their characters escaped."""
    if dump in {"2008-03", "2017-12", "2018-01"}:
        return json.dumps(dict(sorted(fields.items())), separators=(",", ":"), ensure_ascii=False)
    return json.dumps(fields, separators=(",", ":") if dump == "2017-09" else None)


def compressed(name: str, lines: Iterable[str]) -> bytes:
    """A dump's file. The last line of a dump ends without a line feed where its maker was cut off."""
    text = "".join(lines).encode("utf-8", "surrogateescape")
    if name.endswith(".bz2"):
        return bz2.compress(text)
    if name.endswith(".xz"):
        return lzma.compress(text, preset=6)
    if name.endswith(".gz"):
        member = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        return member.compress(text) + member.flush()
    if name == "RS_2014-05.zst":
        return _long_window(text)
    if name == "RS_2017-09.zst":  # two frames, as parallel compressors leave them; the border lies within a line
        half = len(text) // 2
        return b"".join(zstandard.ZstdCompressor(level=19).compress(part) for part in (text[:half], text[half:]))
    return zstandard.ZstdCompressor(level=19).compress(text) if name.endswith(".zst") else text


def _long_window(text: bytes) -> bytes:
    """A frame whose header asks for a window of 2^31 bytes, as Reddit's real dumps do, around few bytes.

    A compressor that is told to use such a window takes gigabytes; the blocks of a frame are valid under any window
    that is larger than the one they were made for, so it is enough to write the larger one into the header
    (RFC 8878, 3.1.1.1.2: exponent in the upper five bits, 10 less).
    """
    frame = bytearray(zstandard.ZstdCompressor(level=19, write_content_size=False, write_checksum=False).compress(text))
    assert frame[4] == 0, "a header of one descriptor byte, without content size, checksum or dictionary"
    frame[5] = (31 - 10) << 3
    return bytes(frame)


def _month_start(month: str) -> int:
    return int(datetime.datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC).timestamp())


def _shared(post: Post, number: int, created: int, domain: str) -> Fields:
    """The fields that every era has."""
    slug = "_".join("".join(c if c.isalnum() else " " for c in post.title.lower()).split()[:6])
    post_id = _base36(number % 36**6)
    return {
        "author": AUTHORS[number // 7 % len(AUTHORS)],
        "author_flair_css_class": None,
        "author_flair_text": None,
        "created_utc": created,
        "distinguished": None,
        "domain": domain,
        "edited": False,
        "id": post_id,
        "is_self": False,
        "link_flair_css_class": None,
        "link_flair_text": None,
        "media": None,
        "media_embed": {},
        "num_comments": number // 11 % 90,
        "over_18": False,
        "permalink": f"/r/{post.subreddit}/comments/{post_id}/{slug}/",
        "score": post.score,
        "selftext": "",
        "subreddit": post.subreddit,
        "subreddit_id": f"t5_2{_base36(int.from_bytes(hashlib.sha256(post.subreddit.encode()).digest()[:2]))}",
        "thumbnail": "default",
        "title": post.title,
        "url": html.escape(post.url, quote=False),
    }


def _voted(fields: Fields, number: int) -> Fields:
    """The fields of the years in which Reddit told ups and downs."""
    downs = number // 13 % 9
    return {"name": f"t3_{fields['id']}", "ups": max(fields["score"], 0) + downs, "downs": downs}


def _of_2008(post: Post, number: int, created: int, domain: str) -> Fields:
    """Old posts as they were collected again ten years later."""
    return _shared(post, number, created, domain) | {
        "archived": True, "can_gild": False, "can_mod_post": False, "contest_mode": False, "gilded": 0, "hidden": False,
        "hide_score": False, "is_crosspostable": False, "is_reddit_media_domain": False, "is_video": False,
        "locked": False, "no_follow": True, "num_crossposts": 0, "parent_whitelist_status": "all_ads", "pinned": False,
        "retrieved_on": 1522790000 + number % 5000, "rte_mode": "markdown", "secure_media": None,
        "secure_media_embed": {}, "send_replies": True, "spoiler": False, "stickied": False,
        "subreddit_type": "public", "suggested_sort": None, "whitelist_status": "all_ads",
    }  # fmt: skip


def _of_2011(post: Post, number: int, created: int, domain: str) -> Fields:
    fields = _shared(post, number, created, domain)
    return fields | _voted(fields, number) | {
        "approved_by": None, "banned_by": None, "clicked": False, "created": created + 28800, "hidden": False,
        "likes": None, "num_reports": None, "saved": False, "selftext_html": None,
    }  # fmt: skip


def _of_2014(post: Post, number: int, created: int, domain: str) -> Fields:
    """The years in which the time was written as a string."""
    fields = _shared(post, number, created, domain)
    return fields | _voted(fields, number) | {
        "archived": True, "created": created + 28800, "created_utc": str(created), "from": None, "from_id": None,
        "from_kind": None, "gilded": 0, "hide_score": False, "quarantine": False, "retrieved_on": created + 900000,
        "saved": False, "secure_media": None, "secure_media_embed": {}, "stickied": False,
    }  # fmt: skip


def _of_2017(post: Post, number: int, created: int, domain: str) -> Fields:
    return _shared(post, number, created, domain) | {
        "archived": False, "brand_safe": True, "can_gild": True, "contest_mode": False,
        "gilded": 0, "hidden": False, "hide_score": False, "is_crosspostable": True, "is_reddit_media_domain": False,
        "is_video": False, "locked": False, "num_crossposts": 0, "parent_whitelist_status": "all_ads", "pinned": False,
        "post_hint": "link", "preview": {"enabled": False, "images": []}, "retrieved_on": created + 300000,
        "secure_media": None, "secure_media_embed": {}, "spoiler": False, "stickied": False,
        "subreddit_type": "public", "suggested_sort": None, "thumbnail_height": 78, "thumbnail_width": 140,
        "view_count": None, "whitelist_status": "all_ads",
    }  # fmt: skip


def _of_2018(post: Post, number: int, created: int, domain: str) -> Fields:
    return _of_2017(post, number, created, domain) | {
        "author_fullname": f"t2_{_base36(number % 36**5)}",
        "pwls": 6,
        "wls": 6,
    }


ERAS: Mapping[str, Callable[[Post, int, int, str], Fields]] = {
    "2008-03": _of_2008,
    "2011-06": _of_2011,
    "2014-05": _of_2014,
    "2015-10": _of_2014,
    "2017-09": _of_2017,
    "2017-12": _of_2017,
    "2018-01": _of_2018,
}


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"

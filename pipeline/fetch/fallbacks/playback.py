"""An answer of the Wayback Machine as the answer of the server that was recorded."""

from pipeline.warc import HttpHead

PREFIX = "x-archive-orig-"
"""What the archive puts before the names of the recorded headers."""

_OF_THE_BODY = frozenset({"content-encoding", "transfer-encoding", "content-length", "connection", "keep-alive"})
_KEPT = ("content-type", "content-encoding", "location")
"""Headers of the archive's answer that speak of the capture: playback renames most, and not these."""


def restored(head: HttpHead, length: int) -> HttpHead:
    """The recorded head, names in lower case and sorted. Of the body's packing and length it says what holds for the
    body as the archive sent it.

    length: bytes of that body, transfer coding undone. `size` is that of the archive's own head.
    """
    recorded = {
        name.removeprefix(PREFIX): value
        for name, value in head.headers.items()
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in _OF_THE_BODY
    }
    for name in _KEPT:
        if name in head.headers and name not in recorded:
            recorded[name] = head.headers[name]
    recorded["content-length"] = str(length)
    return head._replace(headers=dict(sorted(recorded.items())))

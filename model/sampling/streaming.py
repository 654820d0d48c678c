"""Tokens to text as they come: whole characters only, and nothing that a stop string may still take back."""

import codecs
from collections.abc import Callable, Iterable, Sequence


class TextStream:
    """The text of a growing list of tokens. All that `push` returned, and `end`, is the text up to the first stop.

    decode_bytes: ids to bytes; a token may hold a part of a character, and bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(self, decode_bytes: Callable[[Iterable[int]], bytes], stops: Sequence[str] = ()) -> None:
        self._decode_bytes = decode_bytes
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False
        """Whether a stop string has come: the text ends before it, and what is pushed later is ignored."""

    def push(self, token: int) -> str:
        """The text that is certain now, often empty."""
        return self._release(self._characters.decode(self._decode_bytes([token])))

    def end(self) -> str:
        """What was held back, when no more tokens come."""
        rest = self._release(self._characters.decode(b"", final=True))
        rest, self._held = rest + self._held, ""
        return rest

    def _release(self, new: str) -> str:
        if self.stopped:
            return ""
        text = self._held + new
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of a text are the beginning of a stop string."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)

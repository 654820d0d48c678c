"""How prawcore's requests travel: within a deadline, below a size, and with headers that prawcore can read.

prawcore gives every read a timeout but an answer none, holds whatever comes, sleeps for as long as a header says, and
fails on headers that are no numbers.
"""

import logging
import math
import time
from typing import Any

import requests
import urllib3.exceptions
from prawcore import Requestor
from prawcore.exceptions import RequestException

MAX_ANSWER_BYTES = 64 << 20
"""A page of 100 posts has about 0.5 MB."""
LONGEST_WAIT = 600
"""Seconds: Reddit counts requests in windows of ten minutes."""
TIMEOUTS_TO_DEADLINE = 8
_READ_BYTES = 1 << 16
_TOLD_FROM = 30
_LIMITS = ("x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset")
_WAIT = "retry-after"

log = logging.getLogger("webtext")


class BadAnswerError(requests.exceptions.RequestException):
    """An answer that is too large or does not end."""


class BoundedRequestor(Requestor):
    """prawcore's requestor with bounds.

    Of an error nothing is kept but its cause: prawcore would keep the request, in which the password is.
    """

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Ask, read the whole answer, and mend its headers."""
        deadline = time.monotonic() + TIMEOUTS_TO_DEADLINE * self.timeout
        kwargs.setdefault("auth", _as_it_is)
        kwargs.setdefault("allow_redirects", False)  # a password goes where praw.ini says and no further
        # prawcore names a timeout of its own with every request, whatever praw.ini says.
        kwargs |= {"timeout": self.timeout, "stream": True}
        try:
            response = self._http.request(*args, **kwargs)
            with response:
                _read(response, deadline)
        except Exception as error:  # noqa: BLE001 - as prawcore does: it tells by the cause what may be tried again
            raise RequestException(error, (), {}) from None
        _mend(response)
        return response


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from replacing the token by what a .netrc file says."""
    return request


def _read(response: requests.Response, deadline: float) -> None:
    pieces, size = [], 0
    while piece := _next_piece(response):
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise BadAnswerError(f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise BadAnswerError("an answer that does not end")
        pieces.append(piece)
    response._content = b"".join(pieces)  # where requests itself puts a body that it has read


def _next_piece(response: requests.Response) -> bytes:
    """What has come, inflated. Raises what requests raises, on which prawcore tries again."""
    try:
        return bytes(response.raw.read1(_READ_BYTES, decode_content=True))
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None


def _mend(response: requests.Response) -> None:
    headers = response.headers
    remaining, used, reset, wait = (_number(headers.pop(name, None)) for name in (*_LIMITS, _WAIT))
    if remaining is not None and used is not None and reset is not None:
        reset = min(reset, LONGEST_WAIT)
        headers.update(zip(_LIMITS, map(str, (remaining, used, reset)), strict=True))
        if not remaining and reset >= _TOLD_FROM:
            log.info("%-11swaiting %d seconds: Reddit's allowance of requests is used up", "reddit", reset)
    if wait is not None:
        headers[_WAIT] = str(min(wait, LONGEST_WAIT))


def _number(text: str | None) -> int | None:
    """A number of 0 or more, without its fraction; None for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return int(value) if math.isfinite(value) and value >= 0 else None

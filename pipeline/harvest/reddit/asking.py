"""One question to Reddit, and what can go wrong with it: asked again, passed over, or the user's to mend."""

import dataclasses
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import praw
import requests
from praw.exceptions import PRAWException
from prawcore.exceptions import (
    BadJSON,
    InsufficientScope,
    InvalidToken,
    OAuthException,
    PrawcoreException,
    RequestException,
    ResponseException,
    TooManyRequests,
)

from pipeline.harvest.reddit.clock import Clock
from pipeline.harvest.reddit.requestor import LONGEST_WAIT
from webtext.errors import UserError

WAITS = (5.0, 15.0, 60.0, 180.0)
"""Seconds before a question is asked again; prawcore has asked three times within six seconds before the first."""

_REDIRECTION, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY_REQUESTS = 401, 403, 404, 429
# What PRAW and prawcore raise, beside their own exceptions, for answers that are not as they expect.
_SURPRISES = (LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError)
_WORD = re.compile(r"[a-z_ ]{1,40}")

log = logging.getLogger("webtext")


class RefusedError(Exception):
    """Reddit does not show this; its other parts may be asked. Holds half a sentence that says why."""


class UnavailableError(Exception):
    """Reddit did not answer well although it was asked again and again. Holds half a sentence about the last time."""


class Page(NamedTuple):
    """A part of a listing: its children as the API gave them, and the name from which the next part begins."""

    children: list[Any]
    after: str | None


@dataclasses.dataclass(frozen=True)
class Asker:
    """Asks through PRAW, which sees to tokens and to the rate limit."""

    reddit: praw.Reddit
    clock: Clock
    waits: Sequence[float] = WAITS

    def listing(self, path: str, parameters: Mapping[str, str | int]) -> Page:
        """A part of a listing.

        Raises RefusedError, UnavailableError, and UserError for what the user can mend.
        """
        for wait in (*self.waits, None):
            try:
                return _page(self.reddit.request(method="GET", path=path, params=dict(parameters)))
            except (PrawcoreException, PRAWException, *_SURPRISES) as error:
                reason, longer = _worth_a_retry(error)
            if wait is None:
                break
            seconds = min(max(wait, longer), LONGEST_WAIT)
            log.info("%-11s%s; asking again in %d seconds", "reddit", reason, seconds)
            self.clock.sleep(seconds)
        raise UnavailableError(reason)

    def pages(self, path: str, parameters: Mapping[str, str | int]) -> Iterator[Page]:
        """A listing from its beginning, part by part, until it ends or its reader stops."""
        after: str | None = None
        asked = set()
        while after not in asked:  # a listing that leads to itself would have no end
            asked.add(after)
            page = self.listing(path, parameters if after is None else {**parameters, "after": after})
            yield page
            if page.after is None:
                return
            after = page.after


class _MalformedError(ValueError):
    pass


def _page(answer: object) -> Page:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("children"), list):
        raise _MalformedError("no listing")
    after = data.get("after")
    return Page(data["children"], after if isinstance(after, str) and after else None)


def _worth_a_retry(error: Exception) -> tuple[str, float]:
    """What went wrong, and how long Reddit wants to be left alone, in seconds, when another try may help.

    Raises RefusedError or UserError when none can. Nothing of an exception's own words is used: they can hold secrets.
    """
    if isinstance(error, RequestException):
        return _no_answer(error.original_exception), 0
    if isinstance(error, BadJSON | _MalformedError):
        return "Reddit's answer is no listing", 0
    if isinstance(error, TooManyRequests):
        return "Reddit answers 429: too many requests", float(error.retry_after or 0)
    if isinstance(error, OAuthException):
        raise UserError(
            f"Reddit gives no token ({_word(error.error)}): correct username and password, or refresh_token, in praw_* "
            "variables or praw.ini."
        ) from None
    if isinstance(error, InsufficientScope):
        raise UserError("Reddit's token does not allow reading: get a refresh_token with the scope read.") from None
    status = _status(error)
    if isinstance(error, InvalidToken) or status == _UNAUTHORIZED:
        raise UserError(
            "Reddit answers 401: it does not know this app; correct client_id and client_secret in praw_* variables or "
            "praw.ini."
        ) from None
    if status is None or status < _REDIRECTION:
        return "Reddit's answer is not understood", 0
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
        return f"Reddit answers {status}", 0
    if type(error) is ResponseException and error.response.request.method == "POST":
        raise UserError(
            f"Reddit answers {status} instead of a token; look at user_agent (Reddit blocks common ones) and "
            "reddit_url in praw.ini."
        ) from None
    raise RefusedError(_refusal(status, error)) from None


def _no_answer(cause: Exception) -> str:
    """In the order of requests' exceptions: a connect timeout is a connection error too."""
    if isinstance(cause, requests.exceptions.Timeout):
        return "Reddit does not answer in time"
    if isinstance(cause, requests.exceptions.SSLError):
        return "no safe connection to Reddit: its certificate is not trusted"
    if isinstance(cause, requests.exceptions.ProxyError):
        return "the proxy of HTTPS_PROXY or HTTP_PROXY does not answer"
    if isinstance(cause, requests.exceptions.ConnectionError):
        return "no connection to Reddit"
    return "Reddit's answer breaks off or has no end"


def _status(error: Exception) -> int | None:
    if isinstance(error, ResponseException):
        return int(error.response.status_code)
    cause = error.__cause__  # PRAW's own exceptions are raised from prawcore's
    if isinstance(cause, ResponseException):
        return int(cause.response.status_code)
    # An answer of 401 without the header that prawcore looks for.
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    return None


def _refusal(status: int, error: Exception) -> str:
    if status < _CLIENT_ERROR:
        return "there is no such place, or it does not list posts"
    reason = _reason(error)
    if reason:
        return f"{reason} (Reddit answers {status})"
    if status == _NOT_FOUND:
        return "it is not there, or banned (Reddit answers 404)"
    if status == _FORBIDDEN:
        return "it is not open to this app (Reddit answers 403)"
    return f"Reddit answers {status}"


def _reason(error: Exception) -> str:
    """The API's own word: private, banned, quarantined, gold_only."""
    if not isinstance(error, ResponseException):
        return ""
    try:
        answer = json.loads(error.response.content)
    except (ValueError, RecursionError):
        return ""
    return _word(answer.get("reason")) if isinstance(answer, dict) else ""


def _word(value: object) -> str:
    """A word that is safe to show; empty for anything else."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""

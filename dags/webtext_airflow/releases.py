"""Months and their releases on disk: RELEASES/2013-05 is a run, RELEASES/2013-05/corpus its release.

What a month is de-duplicated against follows from the month alone, never from what happened to be finished: all months
before it, from the first on. So months may be asked for in any order; those that come early wait.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from airflow.sdk import ObjectStoragePath

MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"


class NotReadyError(Exception):
    """What must be there first is not there; the sentence says what to do."""


class Release(NamedTuple):
    """What is told of a release to those who wait for it."""

    release: str
    """Its folder."""
    manifest_sha256: str
    counters: dict[str, int]
    """Documents, bytes, links."""


def following(month: str) -> str:
    """`2013-12` -> `2014-01`."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def begin(month: str) -> datetime:
    """Its first moment."""
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def months_before(first: str, month: str) -> Iterator[str]:
    """From `first` on, without `month`."""
    while first < month:
        yield first
        first = following(first)


def run_of(releases: str, month: str) -> str:
    """A month's run."""
    return f"{releases.rstrip('/')}/{month}"


def release_of(run: str) -> str:
    """A run's release."""
    return f"{run.rstrip('/')}/corpus"


def is_finished(release: str) -> bool:
    """Whether a release is whole."""
    return bool((ObjectStoragePath(release) / "_SUCCESS").exists())


def earlier(releases: str, first: str, month: str) -> list[str]:
    """The releases that a month's is de-duplicated against, in their order.

    Raises NotReadyError for what is no month, and for one before the first.
    """
    if not re.match(MONTH, month) or not re.match(MONTH, first):
        raise NotReadyError(f"a month is written like 2013-05, not {month!r} or {first!r}; correct it.")
    if month < first:
        raise NotReadyError(f"{month} lies before the first month, {first}; set first_month (WEBTEXT_FIRST_MONTH).")
    return [release_of(run_of(releases, each)) for each in months_before(first, month)]


def unfinished(releases: Iterable[str], finished: Callable[[str], bool] = is_finished) -> list[str]:
    """Those that are not whole."""
    return [release for release in releases if not finished(release)]


def read(release: str) -> Release:
    """A release, as it lies there now. Raises NotReadyError where it is not finished."""
    if not is_finished(release):
        raise NotReadyError(f"{release} is no finished release; run webtext_corpus_monthly for its month first.")
    content = (ObjectStoragePath(release) / "manifest.json").read_bytes()
    counters = json.loads(content)["counters"]
    totals = {name: count for name, count in counters.items() if "/" not in name}
    return Release(release, hashlib.sha256(content).hexdigest(), totals)

"""PRAW's own settings: who asks, and where. From `praw_*` variables and praw.ini, never from the config.

Sentences about them name the setting and never its value.
"""

import configparser
import dataclasses
import logging
import os
import urllib.parse
import warnings
from collections.abc import Iterable

import praw
from praw.config import Config

import webtext
from pipeline.harvest.reddit.requestor import BoundedRequestor
from webtext.errors import UserError

SECRETS = ("client_id", "client_secret", "password", "refresh_token")
HIDDEN = "[hidden]"

log = logging.getLogger("webtext")


@dataclasses.dataclass(frozen=True, repr=False)  # so that no traceback or message ever shows them
class Settings:
    """What PRAW found. user_agent is empty where there is none; timeout in seconds; addresses without a slash."""

    user_agent: str
    timeout: int
    oauth_url: str
    reddit_url: str
    secrets: tuple[str, ...]


def find(contact: str = "") -> Settings:
    """PRAW's settings, checked.

    contact: whom the user agent names when PRAW has none of its own.
    Raises UserError for settings that are missing or cannot be read.
    """
    site = os.environ.get("praw_site") or "DEFAULT"  # noqa: SIM112 - PRAW's spelling
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = Config(site)
    except configparser.NoSectionError:
        raise UserError(f"praw_site is {site!r}, but no praw.ini has a section of that name; correct one.") from None
    except (configparser.Error, UnicodeDecodeError):  # their messages quote the file
        raise UserError("praw.ini is not understood; give it sections and lines like client_id=...") from None
    except ValueError:
        raise UserError("timeout and ratelimit_seconds in praw.ini must be whole numbers of seconds.") from None
    if caught:
        log.warning("the praw.ini of this folder says where Reddit is: what PRAW knows of you is sent to that address.")
    settings = Settings(
        user_agent=_text(found.user_agent) or (f"webtext/{webtext.__version__} ({contact})" if contact else ""),
        timeout=found.timeout,
        oauth_url=found.oauth_url.rstrip("/"),
        reddit_url=found.reddit_url.rstrip("/"),
        secrets=tuple(filter(None, (_text(getattr(found, name)) for name in SECRETS))),
    )
    _check(found, settings)
    return settings


def _check(found: Config, settings: Settings) -> None:
    missing = [name for name in ("client_id", "client_secret") if not _text(getattr(found, name))]
    if not settings.user_agent:
        missing.append("user_agent")
    if missing:
        variables = " and ".join(f"praw_{name}" for name in missing)
        raise UserError(
            f"harvest.reddit needs an app of yours at Reddit: set {variables} in the environment, or "
            f"{' and '.join(missing)} in praw.ini (an app is made at https://www.reddit.com/prefs/apps)."
        )
    for name in ("oauth_url", "reddit_url"):
        if not _is_address(getattr(settings, name)):
            raise UserError(f"{name} in praw.ini must be an address like https://www.reddit.com and nothing more.")
    if settings.timeout <= 0:
        raise UserError("timeout in praw.ini must be at least one second.")


def _is_address(text: str) -> bool:
    try:
        address = urllib.parse.urlsplit(text)
    except ValueError:
        return False
    return address.scheme in ("http", "https") and bool(address.hostname) and "@" not in address.netloc


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def connect(settings: Settings) -> praw.Reddit:
    """PRAW's client. Nothing is asked of Reddit yet, and never anything of the package index."""
    return praw.Reddit(
        requestor_class=BoundedRequestor,
        requestor_kwargs={"timeout": settings.timeout},
        check_for_updates=False,
        user_agent=settings.user_agent,
    )


class Hiding(logging.Filter):
    """Takes secrets out of what libraries log."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted(secrets, key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the secrets in its message."""
        message = record.getMessage()
        for secret in self._secrets:
            message = message.replace(secret, HIDDEN)
        record.msg, record.args = message, ()
        return True

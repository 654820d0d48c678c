"""Did the page's author say that it must not train models?

What counts, in a response header or in a `<meta>` of the page:

- `X-Robots-Tag` / `<meta name="robots">` with `noai` (DeviantArt's) or `noml` (Mojeek's), for everyone or for an
agent that we answer to;
- `tdm-reservation: 1` (TDM Reservation Protocol, W3C community group);
- `Content-Signal: ai-train=no` (contentsignals.org) and `Content-Usage: train-ai=n` (IETF AIPREF drafts).

What does not: `noimageai` speaks of pictures and this corpus has none; `noindex`, `none` and `nosnippet` speak of
search results. A word for another agent alone ("somebot: noai") does not speak to us.
"""

import re
from collections.abc import Iterable, Mapping

_REFUSALS = ("noai", "noml")
_TRAINING = ("ai-train", "train-ai", "train-genai")
_NO = ("n", "no", "?0", "0", "false", "disallow")
_VALUED = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
"""Directives of X-Robots-Tag that have a colon of their own."""
_SEPARATORS = re.compile(r"[,;]")
_LONGEST = 4096


def opted_out(
    headers: Mapping[str, str], metas: Iterable[tuple[str, str]], agents: tuple[str, ...] = ("webtext",)
) -> str | None:
    """The signal that forbids training on this page, as `source: token`, or None.

    headers: response headers, names in lower case; several of one name joined by commas.
    metas: (name or http-equiv, content) of the page's `<meta>` elements.
    agents: names under which we are addressed, beside everyone.
    """
    for name, value in headers.items():
        found = _signal(name.strip().lower(), value[:_LONGEST], agents)
        if found:
            return f"header {found}"
    for name, value in metas:
        found = _signal(name.strip().lower(), value[:_LONGEST], agents)
        if found:
            return f"meta {found}"
    return None


def _signal(name: str, value: str, agents: tuple[str, ...]) -> str | None:
    if name in ("x-robots-tag", "robots", *agents):
        token = _robots(value, agents)
        return f"{name}: {token}" if token else None
    if name == "tdm-reservation":
        return "tdm-reservation: 1" if value.strip().strip("\"'") == "1" else None
    if name in ("content-signal", "content-usage"):
        token = _usage(value)
        return f"{name}: {token}" if token else None
    return None


def _robots(value: str, agents: tuple[str, ...]) -> str | None:
    """An agent's name with a colon holds for the directives after it, until the next name."""
    for_us = True
    for item in value.lower().split(","):
        agent, colon, directive = item.partition(":")
        if colon and agent.strip() not in _VALUED:
            for_us = agent.strip() in ("*", *agents)
            item = directive
        if for_us:
            for word in item.split():
                if word in _REFUSALS:
                    return word
    return None


def _usage(value: str) -> str | None:
    for item in _SEPARATORS.split(value.lower()):
        key, _, answer = item.partition("=")
        if key.strip().split(" ")[-1] in _TRAINING and answer.strip().strip("\"'") in _NO:
            return item.strip()
    return None

"""The web as the fetcher needs it: who answers for it, whose certificates count, which servers answer; the clock."""

import asyncio
import datetime
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp

from pipeline.doctor.findings import Finding, ok, problem, warning
from pipeline.doctor.inputs import first_line
from pipeline.fetch.live.clients import user_agent
from pipeline.fetch.live.politeness import http_date

SECONDS = 15.0
LARGEST_ERROR = 60.0
"""Seconds that the clock may be off."""
_PLACEHOLDERS = frozenset({"example.com", "example.net", "example.org", "localhost"})
_TOO_MANY_REQUESTS, _CLIENT_ERROR, _SERVER_ERROR = 429, 400, 500


class Server(NamedTuple):
    """A server that the config relies on. about: what it is for; url: an address of it that costs it little. bare:
    whether that is only where its files begin, of which nobody knows whether there is a page of its own."""

    about: str
    url: str
    bare: bool = False


class Answer(NamedTuple):
    """What a server said. status: None where nothing came, and `error` says why. ahead: seconds that this machine's
    clock is ahead of the server's; None where it does not tell."""

    server: Server
    status: int | None
    error: str = ""
    ahead: float | None = None


async def ask(servers: Sequence[Server], contact: str) -> list[Answer]:
    """One request to each, as the fetcher introduces itself, without proxies of the environment."""
    headers = {"User-Agent": user_agent(contact)} if contact else {}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=False) as session:
        return list(await asyncio.gather(*(_ask(session, server) for server in servers)))


async def _ask(session: aiohttp.ClientSession, server: Server) -> Answer:
    try:
        async with session.get(server.url, allow_redirects=False) as response:
            date = http_date(response.headers.get("date", ""))
            return Answer(server, response.status, ahead=None if date is None else time.time() - date)
    except TimeoutError:
        return Answer(server, None, f"no answer within {SECONDS:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(server, None, first_line(error))


def check_answer(answer: Answer) -> Finding:
    """Whether a server can be relied on."""
    about, url, bare = answer.server
    if answer.status is None:
        return problem(about, f"{url} does not answer ({answer.error}): look at the address and the way to the net.")
    if answer.status == _TOO_MANY_REQUESTS or answer.status >= _SERVER_ERROR:
        return warning(about, f"{url} answers {answer.status}: it is busy; wait before you start.")
    if answer.status >= _CLIENT_ERROR and not bare:
        return problem(about, f"{url} answers {answer.status}: correct the address.")
    return ok(about, f"{url} answers.")


def check_contact(contact: str, has_address: Callable[[str], bool]) -> Finding:
    """Whether somebody can be reached who answers for the fetcher. has_address: whether a host is there."""
    host = contact_host(contact)
    if host in _PLACEHOLDERS or any(host.endswith(f".{name}") for name in _PLACEHOLDERS):
        return warning("contact", f"{contact} is nobody's address: put your own into fetch.contact.")
    if not has_address(host):
        return warning("contact", f"{host} in fetch.contact has no address: who wants to ask you to stop cannot.")
    return ok("contact", f"requests say {user_agent(contact)}")


def contact_host(contact: str) -> str:
    """The host of an address of the web or of mail, in lower case."""
    if contact.startswith(("http://", "https://")):
        return (urllib.parse.urlsplit(contact).hostname or "").lower()
    return contact.rpartition("@")[2].lower()


def certificates() -> int:
    """How many authorities this machine believes; those in a folder count as one, as they are read when needed."""
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.capath) if paths.capath else None
    in_folder = folder is not None and folder.is_dir() and any(folder.iterdir())
    return ssl.create_default_context().cert_store_stats()["x509_ca"] or int(in_folder)


def check_certificates(authorities: int) -> Finding:
    """Whether any server's certificate can be believed."""
    if authorities:
        return ok("certificates", "this machine knows whose certificates to believe.")
    return problem(
        "certificates", "this machine believes no certificate, every https link would end as tls_error: install "
        "ca-certificates, or set SSL_CERT_FILE."
    )  # fmt: skip


def check_clock(now: float, newest: float, ahead: Iterable[float]) -> Finding:
    """Whether the time is right. now: seconds since 1970; newest: when the youngest file was made that is known.

    ahead: seconds that the clock is ahead of servers' clocks.
    """
    differences = sorted(ahead)
    said = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    why = "certificates, robots.txt and the age of posts are judged by it: set it (NTP)."
    if differences and abs(middle := differences[len(differences) // 2]) > LARGEST_ERROR:
        way = "ahead" if middle > 0 else "behind"
        return problem("clock", f"{said} is {abs(middle):,.0f} s {way} of what servers say, and {why}")
    if now < newest - LARGEST_ERROR:
        return problem("clock", f"{said} is before files here were written, and {why}")
    return ok("clock", f"{said}.")


def look_at_servers(servers: Sequence[Server], contact: str) -> Iterator[Answer]:
    """Their answers."""
    yield from asyncio.run(ask(servers, contact)) if servers else ()

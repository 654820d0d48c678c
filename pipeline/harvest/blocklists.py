"""What is refused by its address or its subreddit: lists that a user can read, lengthen and shorten."""

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence

from pipeline import urls, word_lists
from pipeline.ledger import Ending, Reason, dropped
from pipeline.wikipedia_hosts import is_wikipedia
from webtext import storage
from webtext.errors import UserError

_PACKAGE = "pipeline.harvest"
_EXCEPTION = "!"
_ANY_SUFFIX = ".*"
_DOMAIN = re.compile(r"!?(?:[a-z0-9_-]+\.)*[a-z0-9_-]+(?:\.\*)?")
_EXTENSION = re.compile(r"[a-z0-9_+-]{1,16}")
_SUBREDDIT = re.compile(r"[a-z0-9_.-]+")
_HOSTS_REMEMBERED = 1 << 17


@dataclasses.dataclass(frozen=True)
class BlockLists:
    """All in lower case.

    domains: `imgur.com` (with all hosts below it), `amazon.*` (under every public suffix). allowed_domains: hosts that
    are not blocked, nor those below them, though a domain above is. extensions: path endings, without the dot.
    subreddits: names without r/.
    """

    domains: frozenset[str] = frozenset()
    allowed_domains: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    subreddits: frozenset[str] = frozenset()


def block_lists(
    domains: Sequence[str] = (),
    extensions: Sequence[str] = (),
    subreddits: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> BlockLists:
    """The built-in lists, with more entries and without some.

    domains, extensions, subreddits: more entries; one with a slash in it is a file of entries, one a line.
    allowed: entries to take from the built-in lists, or hosts below a blocked domain to leave alone; files likewise.

    Raises UserError for an entry that can match nothing, and for a file that cannot be read.
    """
    exempt = _given("harvest.allowed", allowed)
    domain_entries = {
        *_built_in("domains"),
        *_checked("harvest.blocked_domains", _given("harvest.blocked_domains", domains), _DOMAIN),
    }
    exceptions = {entry.removeprefix(_EXCEPTION) for entry in domain_entries if entry.startswith(_EXCEPTION)}
    extension_entries = _checked(
        "harvest.blocked_extensions", _given("harvest.blocked_extensions", extensions), _EXTENSION
    )
    subreddit_entries = _checked(
        "harvest.blocked_subreddits", _given("harvest.blocked_subreddits", subreddits), _SUBREDDIT
    )
    return BlockLists(
        domains=frozenset(entry for entry in domain_entries if not entry.startswith(_EXCEPTION)) - exempt,
        allowed_domains=frozenset(exceptions | exempt),
        extensions=frozenset({*_built_in("extensions"), *extension_entries} - exempt),
        subreddits=frozenset({*_built_in("subreddits"), *subreddit_entries} - exempt),
    )


class AddressJudge:
    """Refuses links by their address alone. All spellings of one link (`urls.link_key`) get the same verdict."""

    def __init__(self, lists: BlockLists) -> None:
        self._lists = lists
        self._blocked_by = functools.lru_cache(maxsize=_HOSTS_REMEMBERED)(self._find_domain)

    def __call__(self, normalised: str) -> Ending | None:
        """Why a normalised address is refused; None for one that may be fetched."""
        if is_wikipedia(normalised):
            return dropped(Reason.WIKIPEDIA, urls.host(normalised))
        domain = self._blocked_by(urls.host(normalised))
        if domain:
            return dropped(Reason.BLOCKED_DOMAIN, domain)
        extension = extension_of(urls.path(normalised))
        if extension in self._lists.extensions:
            return dropped(Reason.BLOCKED_EXTENSION, extension)
        return None

    def _find_domain(self, host: str) -> str:
        """The entry that blocks a host: the nearest above it decides; empty when none does."""
        for name in urls.with_parents(host):
            if name in self._lists.allowed_domains:
                return ""
            if name in self._lists.domains:
                return name
            if name == urls.registrable_domain(name):
                any_suffix = name.partition(".")[0] + _ANY_SUFFIX
                return any_suffix if any_suffix in self._lists.domains else ""
        return ""


def extension_of(path: str) -> str:
    """What follows the last dot of a path's last name, in lower case; empty where there is none.

    A slash after it does not count, as in `urls.link_key`. The host of an address within an address has no extension:
    /web/2012/http://example.mobi has none.
    """
    folder, _, name = path.removesuffix("/").rpartition("/")
    if folder.endswith("/"):
        return ""
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem else ""


def _built_in(name: str) -> tuple[str, ...]:
    return word_lists.packaged(_PACKAGE, f"blocklists/{name}.txt")


def _given(key: str, entries: Iterable[str]) -> frozenset[str]:
    """A user's entries, those of files put in their place; prefixes that people write (www., a dot, r/) taken away."""
    found: list[str] = []
    for entry in entries:
        if "/" in entry and not entry.lower().startswith(("r/", "/r/")):
            try:
                found += word_lists.entries(storage.read_bytes(entry).decode())
            except (OSError, ValueError) as error:
                raise UserError(f"{key}: cannot read the list {entry!r} ({error}); correct the path.") from error
        else:
            found += word_lists.entries(entry)
    return frozenset(re.sub(r"^(www\.|\.|/?r/)", "", entry) for entry in found)


def _checked(key: str, entries: frozenset[str], form: re.Pattern[str]) -> frozenset[str]:
    for entry in sorted(entries):
        if not form.fullmatch(entry):
            raise UserError(f"{key}: {entry!r} can match nothing; write it like the entries of the built-in list.")
    return entries

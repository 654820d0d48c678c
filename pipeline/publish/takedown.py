"""What is left out on request: a file of addresses, domains and ids, one a line, that no release may hold."""

import dataclasses
import re
from collections.abc import Iterable

import pyarrow as pa

from pipeline import urls
from webtext.errors import UserError

_ID = re.compile(r"[0-9a-f]{32}")
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


@dataclasses.dataclass(frozen=True)
class Takedown:
    """Ids of single documents, and domains of which nothing is published, subdomains included."""

    ids: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def reasons(self, documents: pa.Table) -> pa.Array:
        """For each document (columns id, url) why it is removed, in words for the ledger; empty for those that stay."""
        if not self.ids and not self.domains:
            return pa.array([""] * documents.num_rows, pa.string())
        pairs = zip(documents["id"].to_pylist(), documents["url"].to_pylist(), strict=True)
        return pa.array([self._reason(*pair) for pair in pairs], pa.string())

    def _reason(self, id: str, url: str) -> str:  # noqa: A002 - it is the column's name
        if id in self.ids:
            return "taken down"
        labels = urls.host(url).split(".") if self.domains else []
        domain = next((name for name in _suffixes(labels) if name in self.domains), None)
        return f"taken down with {domain}" if domain else ""


def _suffixes(labels: list[str]) -> Iterable[str]:
    return (".".join(labels[start:]) for start in range(len(labels)))


def parse(lines: Iterable[str], source: str) -> Takedown:
    """Read takedown lines: an id (32 hex digits), an address with http(s)://, or a domain; `#` begins a comment.

    source: the file's name, for the message. An address counts in all the spellings that share its canonical form.
    Raises UserError for a line that is none of these: a request for removal must not be lost to a typing error.
    """
    ids, domains = set(), set()
    for number, line in enumerate(lines, start=1):
        entry = line.partition(" #")[0].strip() if not line.startswith("#") else ""
        if not entry:
            continue
        if _ID.fullmatch(entry):
            ids.add(entry)
            continue
        address = urls.normalise(entry) if "://" in entry else None
        if address is not None:
            ids.add(urls.link_id(address))
        elif _DOMAIN.fullmatch(entry.lower()):
            domains.add(entry.lower())
        else:
            raise UserError(
                f"{source}, line {number}: {entry!r} is no id, no http address and no domain; correct the line."
            )
    return Takedown(frozenset(ids), frozenset(domains))

"""How near the links are to OpenAI's: measured on the list of WebText's top domains that came with GPT-2's model card.

The list (`domains.txt` of the repository openai/gpt-2) has a count and a name a line; the name is a domain's label
before its public suffix, so `bbc` stands for bbc.com and bbc.co.uk. Its counts add up to far more than WebText's
documents, so they are counts of links. The list is read from where the user has it.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping

from webtext.errors import UserError


@dataclasses.dataclass(frozen=True)
class Compared:
    """One of OpenAI's domains: its rank from 1, its links there, and links and kept documents here."""

    rank: int
    name: str
    reference_links: int
    links: int
    documents: int


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """OpenAI's list beside ours, in its order.

    link_share, document_share: of our links and kept documents, the share on domains of the list.
    """

    compared: tuple[Compared, ...]
    link_share: float
    document_share: float

    def present(self, among: int) -> float:
        """The share of OpenAI's `among` first domains of which we have links; 0 when the list is empty."""
        first = self.compared[:among]
        return sum(entry.links > 0 for entry in first) / len(first) if first else 0.0

    @property
    def present_by_links(self) -> float:
        """The same for the whole list, each domain weighted by OpenAI's links."""
        weight = sum(entry.reference_links for entry in self.compared)
        return sum(entry.reference_links for entry in self.compared if entry.links) / weight if weight else 0.0


def parse_reference(lines: Iterable[str], source: str) -> list[tuple[str, int]]:
    """The list's names and counts, in its order; its one line without a name is left out.

    Raises UserError for a file that is not such a list.
    """
    entries = []
    for number, line in enumerate(lines, start=1):
        count, _, name = line.rstrip("\r\n").partition(" ")
        if not count.strip():
            continue
        if not count.isdecimal():
            raise UserError(
                f"{source}, line {number}: a count and a domain's name were expected, not {line.strip()!r}."
            )
        if name:
            entries.append((name, int(count)))
    return entries


def label(domain: str) -> str:
    """A registrable domain's name in the list: what stands before its public suffix."""
    return domain.partition(".")[0]


def compare(reference: Iterable[tuple[str, int]], links: Mapping[str, int], documents: Mapping[str, int]) -> Fidelity:
    """Set OpenAI's list beside counts of links and documents by registrable domain."""
    own_links, own_documents = _by_label(links), _by_label(documents)
    compared = tuple(
        Compared(rank, name, count, own_links[name], own_documents[name])
        for rank, (name, count) in enumerate(reference, start=1)
    )
    return Fidelity(
        compared,
        _share(sum(entry.links for entry in compared), own_links.total()),
        _share(sum(entry.documents for entry in compared), own_documents.total()),
    )


def _by_label(counts: Mapping[str, int]) -> Counter[str]:
    merged: Counter[str] = Counter()
    for domain, count in counts.items():
        merged[label(domain)] += count
    return merged


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0

"""What a stage did, in a line for a person: in, out, and why the rest is not there."""

from collections.abc import Mapping
from typing import Any

from pipeline.ledger import FETCHED, Reason, Stage
from webtext.pace import in_words

REASONS_SHOWN = 5
HOSTS_SHOWN = 5
LONG_SECONDS = 60
"""Less than that at the end of a crawl is not worth a word."""

Counters = Mapping[str, Any]


def line(stage: str, counters: Counters) -> str:
    """One finished stage, from its manifest's counters."""
    return f"{stage:<11}{_SENTENCES[Stage(stage)](counters)}"


def warnings(counters: Counters) -> list[str]:
    """What a person should know of a stage's input, a sentence each."""
    damages = [
        "{file}, byte {offset:,}: {what} ({length:,} bytes passed over).".format(**damage)
        for damage in counters.get("damages", ())
    ]
    return [*counters.get("warnings", ()), *damages]


def remarks(counters: Counters) -> list[str]:
    """What a person may want to change the next time, a sentence each: what the slowest hosts of the web cost."""
    web = counters.get("web")
    if web is None:
        return []
    sentence = f"{web['hosts']:,} hosts of the web were asked in {in_words(web['seconds'])}"
    if web["idle_seconds"] >= LONG_SECONDS:
        slowest = ", ".join(f"{host['host']} ({host['links']:,} links)" for host in web["slowest"][:HOSTS_SHOWN])
        sentence += (
            f"; in the last {in_words(web['idle_seconds'])} of it fewer hosts than half of fetch.concurrency had "
            f"links left: {slowest}; a smaller fetch.host_budget ends sooner"
        )
    return [f"{sentence}."]


def _links(counters: Counters) -> str:
    others = {reason: count for reason, count in counters["submissions_by_reason"].items() if reason != "linked"}
    return (
        f"{counters['links']:,} links from {counters['submissions']:,} submissions{_because(others)}; "
        f"{counters['refused']:,} of them refused by address"
    )


def _pages(counters: Counters) -> str:
    reasons = set(Reason)
    others = {name: count for name, count in counters.items() if name in reasons}
    fetched = counters.get(FETCHED, 0)
    damaged = counters.get("damaged_places", 0)
    places = f"; damaged places in archives passed over: {damaged:,}" if damaged else ""
    return f"{fetched:,} of {fetched + sum(others.values()):,} links have a page{_because(others)}{places}"


def _documents(counters: Counters) -> str:
    others = {reason: count for reason, count in counters.items() if reason != "kept"}
    kept = counters.get("kept", 0)
    return f"{kept:,} of {kept + sum(others.values()):,} pages became documents{_because(others)}"


def _duplicates(counters: Counters) -> str:
    reasons = ("exact_duplicate", "near_duplicate", "wikipedia_mirror")
    fallen = {reason: counters.get(reason, 0) for reason in reasons}
    documents = counters["documents"]
    return f"{documents - sum(fallen.values()):,} of {documents:,} documents are like no other{_because(fallen)}"


def _corpus(counters: Counters) -> str:
    text = sum(counters.get(f"{split}_text_bytes", 0) for split in ("train", "validation"))
    return (
        f"{counters['kept']:,} documents, {text / 1e6:,.1f} MB of text: "
        f"{counters['train']:,} to train on, {counters['validation']:,} held out"
    )


def _because(others: Mapping[str, int]) -> str:
    """The commonest reasons in brackets; nothing where there are none."""
    ranked = sorted(
        ((count, reason) for reason, count in others.items() if count), key=lambda each: (-each[0], each[1])
    )
    told = [f"{reason} {count:,}" for count, reason in ranked[:REASONS_SHOWN]]
    rest = sum(count for count, _ in ranked[REASONS_SHOWN:])
    if rest:
        told.append(f"others {rest:,}")
    return f" ({', '.join(told)})" if told else ""


_SENTENCES = {
    Stage.LINKS: _links,
    Stage.PAGES: _pages,
    Stage.DOCUMENTS: _documents,
    Stage.DUPLICATES: _duplicates,
    Stage.CORPUS: _corpus,
}

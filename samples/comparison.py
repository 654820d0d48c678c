"""Compares a run over the samples with `expected.yaml`: for tests of the whole pipeline."""

import collections
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def differences(
    expected: Mapping[str, Any],
    ledger: Mapping[str, tuple[str, str]],
    texts: Mapping[str, str],
    link_id: Callable[[str], str],
) -> list[str]:
    """What is otherwise than expected, a sentence each; empty when all is well.

    expected: `expected.yaml` as read. ledger: outcome and reason by link id. texts: the kept texts by link id.
    link_id: an address, as a post has it, to the id of its link.
    """
    by_id = {link_id(link["url"]): link for link in expected["links"]}
    found = [f"{link['url']} is in no ledger row" for each, link in by_id.items() if each not in ledger]
    found += [f"the ledger has a link {each} that nobody expects" for each in ledger if each not in by_id]
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for each, link in by_id.items():
        if each not in ledger:
            continue
        outcome, reason = ledger[each]
        if "group" in link:
            groups[link["group"]].append(reason)
        elif reason not in link["reasons"] or outcome != link.get("outcome", outcome):
            found.append(f"{link['url']} ended as {outcome}, {reason} instead of {' or '.join(link['reasons'])}")
        if each in texts:
            found += _of_text(link, texts[each])
    for name, reasons in groups.items():
        found += _of_group(name, expected["groups"][name], reasons)
    return found


def _of_text(link: Mapping[str, Any], text: str) -> Iterator[str]:
    """Phrases that a kept text should have and has not, and the other way about; white space does not count."""
    text = " ".join(text.split())
    for phrase in link.get("contains", ()):
        if phrase not in text:
            yield f"{link['url']}: the text lacks {phrase!r}"
    for phrase in link.get("lacks", ()):
        if phrase in text:
            yield f"{link['url']}: the text has {phrase!r}"


def _of_group(name: str, group: Mapping[str, Any], reasons: list[str]) -> Iterator[str]:
    """Copies of each other of which too many or too few stay, or that fall for another reason than being copies."""
    least, most = group["stay"]
    staying = reasons.count("kept")
    if not least <= staying <= most:
        yield f"of the copies {name!r} {staying} stay instead of {least} to {most}"
    for reason in sorted(set(reasons) - {"kept", *group["reasons"]}):
        yield f"a copy of {name!r} fell as {reason} instead of {' or '.join(group['reasons'])}"

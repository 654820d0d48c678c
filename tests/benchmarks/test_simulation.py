"""The model of the whole job: what it must say whatever is assumed."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.simulation import WEBTEXT_LINKS, Setting, Web, domains_of, read_domains, simulate

WEB = Web(dead=0.5, dead_hosts=0.4, silent=0.5, redirects=0.5, latency=0.2, spread=0.5, transfer=0.1)
SETTING = Setting(delay=1.0, budget=float("inf"), concurrency=100)
COUNTS = np.array([4e6 / rank**0.9 for rank in range(1, 201)])
NAMES = [f"name{rank}" for rank in range(200)]


def test_domains_beyond_the_list_have_what_is_left() -> None:
    sizes = domains_of(COUNTS, 1e6)
    assert sizes.sum() == pytest.approx(1e6, rel=0.01)
    assert (np.diff(sizes) <= 1e-9).all()
    assert sizes[-1] * WEBTEXT_LINKS / 1e6 == pytest.approx(1, rel=0.1)


def test_the_slowest_host_is_a_bound_that_machines_do_not_move() -> None:
    sizes = domains_of(COUNTS, 1e6)
    found = simulate(sizes, NAMES, WEB, SETTING, machine_rate=1e9)
    assert found.longest > sizes[0] * 1.5  # a request and half a redirect for each link, a second apart
    assert found.seconds(1) >= found.seconds(2) >= found.seconds(1000) == found.longest
    assert found.asked == pytest.approx(found.links)
    assert found.pages == pytest.approx(found.links * (1 - WEB.dead), rel=0.02)


def test_a_budget_shortens_and_defers() -> None:
    sizes = domains_of(COUNTS, 1e6)
    whole, part = (simulate(sizes, NAMES, WEB, dataclasses.replace(SETTING, budget=each), 1e9) for each in (1e9, 100.0))
    assert part.longest < whole.longest
    assert part.asked < whole.asked
    assert part.requests < whole.requests


def test_users_of_one_domain_are_asked_beside_each_other() -> None:
    sizes = np.array([100_000.0, 10.0])
    alone, beside = (simulate(sizes, [name], WEB, SETTING, 1e9) for name in ("somebody", "blogspot"))
    assert beside.longest < alone.longest / 10
    assert "blogspot" in beside.slowest


def test_openai_s_list(shared_data: Path) -> None:
    counts, names = read_domains(shared_data / "webtext" / "domains.txt")
    assert len(counts) == len(names) == 1000
    assert counts.sum() == 21_793_666
    assert (names[0], counts[0], names[216]) == ("google", 1_542_261, "")
    assert domains_of(counts, 45e6).sum() == pytest.approx(45e6, rel=0.01)

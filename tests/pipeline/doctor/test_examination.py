import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import CorpusConfig
from pipeline.doctor import examination, software
from pipeline.doctor.examination import Surroundings
from pipeline.doctor.findings import Finding, State
from pipeline.doctor.reddit import Access
from pipeline.harvest.reddit.sources import Source
from tests.conftest import CHECKOUT
from tests.pipeline.fetch.live.web import Hit, page, serving
from webtext import command, settings

SAMPLE = str(CHECKOUT / "configs/corpus/sample.yaml")
LIVE = ["fetch.live=true", "fetch.contact=https://bots.test/"]


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


def config(tmp_path: Path, *overrides: str) -> CorpusConfig:
    return settings.load(CorpusConfig, SAMPLE, [f"output={tmp_path / 'run'}", *overrides])


def nobody(*_: Any) -> Any:
    raise AssertionError("nobody may be asked")


def known(host: str) -> Sequence[str]:
    if "webtext-" in host:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return ["192.0.2.1"]


def by_subject(findings: Sequence[Finding]) -> dict[str, State]:
    return {finding.about: finding.state for finding in findings}


OFFLINE = Surroundings(look_up=nobody, ask_reddit=nobody)


def test_a_config_that_uses_no_net_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(socket.socket, "connect", nobody)
    found = list(examination.examine(config(tmp_path), OFFLINE))
    assert State.PROBLEM not in by_subject(found).values(), found
    assert not (tmp_path / "run").exists()
    assert "names" not in by_subject(found)


def test_a_live_config_looks_at_names_contact_and_certificates(tmp_path: Path) -> None:
    found = by_subject(list(examination.examine(config(tmp_path, *LIVE), Surroundings(look_up=known))))
    assert found["names"] is found["contact"] is found["certificates"] is State.OK


def test_links_that_name_addresses_need_no_resolver(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("http://127.0.0.1/\n")
    overrides = [*LIVE, "harvest.dumps=[]", f"harvest.urls=['{tmp_path}/urls.txt']", "fetch.contact=me@192.0.2.7"]
    asked: list[str] = []

    def look_up(host: str) -> Sequence[str]:
        asked.append(host)
        return [host]

    list(examination.examine(config(tmp_path, *overrides, "fetch.archives=[]"), Surroundings(look_up=look_up)))
    assert asked == ["192.0.2.7"]


def test_archives_on_the_web_are_asked_whether_they_are_there(tmp_path: Path) -> None:
    def behaviour(hit: Hit) -> bytes:
        return page(b"[]") if hit.path.startswith(("/cc/collinfo.json", "/wb/cdx")) else page(b"", "404 Not Found")

    with serving(behaviour) as there:
        overrides = [f"fetch.commoncrawl_url={there.url('/cc/')}", f"fetch.wayback_url={there.url('/wb')}"]
        overrides += ["fetch.fallbacks=[commoncrawl, wayback]", "fetch.contact=https://bots.test/"]
        found = list(examination.examine(config(tmp_path, *overrides), Surroundings(look_up=known)))
        assert sorted(there.paths()) == ["/cc/", "/cc/collinfo.json", "/wb/cdx/search/cdx?url=example.org&limit=1"]
        overrides[0] = f"fetch.commoncrawl_url={there.url('/nowhere')}"
        wrong = list(examination.examine(config(tmp_path, *overrides), Surroundings(look_up=known)))
    assert [finding.state for finding in found if finding.about in {"commoncrawl", "wayback"}] == [State.OK] * 3
    assert [finding.about for finding in wrong if finding.state is State.PROBLEM] == ["commoncrawl"]


def test_reddit_is_asked_for_what_comes_first(tmp_path: Path) -> None:
    asked = []

    def ask(source: Source, contact: str) -> Access:
        asked.append((str(source), contact))
        return Access(str(source), missing="set praw_client_id.")

    overrides = ["harvest.reddit={subreddits: [python, science]}", "fetch.contact=https://bots.test/"]
    found = list(examination.examine(config(tmp_path, *overrides), Surroundings(look_up=nobody, ask_reddit=ask)))
    assert asked == [("r/python", "https://bots.test/")]
    assert by_subject(found)["reddit"] is State.PROBLEM


def test_much_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    overrides = ["fetch.archives=[README.md]", "harvest.urls=[nowhere]", f"dedup.against=[{tmp_path}/earlier]"]
    found = by_subject(list(examination.examine(config(tmp_path, *overrides), OFFLINE)))
    assert {about for about, state in found.items() if state is State.PROBLEM} == {
        *("fetch.archives", "harvest.urls", "dedup.against", "disk")
    }


def test_a_live_run_cannot_write_to_a_remote_place(tmp_path: Path) -> None:
    found = examination.examine(config(tmp_path, *LIVE, "output=memory://run"), Surroundings(look_up=known))
    assert any("fetch to a local output" in finding.sentence for finding in found)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["doctor", "--config", SAMPLE, "--set", f"output={tmp_path / 'run'}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] in {"nothing is wrong", "no problems, 1 warning"}
    assert command.main(["doctor", "--config", SAMPLE, "--set", "fetch.archives=[nowhere]", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == 1
    assert [each["about"] for each in told["findings"] if each["state"] == "problem"] == ["fetch.archives"]


def test_without_a_config_the_machine_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["doctor"]) == 0
    assert "open files" in capsys.readouterr().out


def test_a_wrong_key_is_a_problem_and_the_machine_is_looked_at_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["doctor", "--config", SAMPLE, "--set", "fetch.lively=true"]) == 2
    told = capsys.readouterr().out
    assert "unknown key fetch.lively" in told
    assert "open files" in told


def test_what_needs_missing_libraries_is_not_tried(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_aiohttp(name: str) -> str | None:
        return None if name == "aiohttp" else "99"

    monkeypatch.setattr(software, "installed_version", without_aiohttp)
    monkeypatch.setattr(examination, "examine", nobody)
    assert command.main(["doctor", "--config", SAMPLE]) == 2
    assert "aiohttp is not there" in capsys.readouterr().out

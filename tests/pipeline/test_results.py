"""What a job leaves behind: where it came to its end it is not done again, and else it is."""

from pathlib import Path

import pytest

from pipeline import run, runners
from pipeline.config import CorpusConfig, Harvest
from pipeline.ledger import Stage
from webtext import storage


class Links:
    """A run that is built up to its links, and how many jobs that took."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses = folder / "urls.txt"
        self.addresses.write_text("http://a.example.org/\nhttp://b.example.org/\n")
        self.folder = folder / "run" / "links"
        self._config = CorpusConfig(output=str(folder / "run"), harvest=Harvest(urls=(str(self.addresses),)))
        self._jobs = 0
        execute = runners.execute

        def counted(*given: object) -> None:
            self._jobs += 1
            execute(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(runners, "execute", counted)

    def build(self) -> int:
        """Build; returns the number of jobs."""
        before = self._jobs
        run.build(self._config, until=Stage.LINKS)
        return self._jobs - before

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Links:
    """Built, but the command died before it could say so."""
    links = Links(tmp_path, monkeypatch)
    assert links.build() == 1
    for name in (storage.SUCCESS, storage.MANIFEST):
        (links.folder / name).unlink()
    return links


def test_a_job_that_came_to_its_end_is_not_done_again(links: Links, caplog: pytest.LogCaptureFixture) -> None:
    before = links.files()
    with caplog.at_level("INFO", "webtext"):
        assert links.build() == 0
    after = links.files()
    assert after.keys() - before.keys() == {storage.SUCCESS, storage.MANIFEST}
    assert {name: after[name] for name in before} == before
    assert any("had come to its end" in message for message in caplog.messages)


def test_a_job_whose_files_are_gone_is(links: Links) -> None:
    before = links.files()
    (links.folder / "part-00002.parquet").unlink()
    assert links.build() == 1
    assert {name: links.files()[name] for name in before} == before


def test_a_job_that_found_a_fault_is(links: Links) -> None:
    path = links.folder / "_results-links.json"
    left = storage.read_json(str(path))
    storage.write_json(str(links.folder), path.name, {**left, "faults": ["the machine is ill."]})
    assert links.build() == 1
    assert storage.read_json(str(path)) == left


def test_a_job_that_names_no_files_is(links: Links) -> None:
    """As of reference texts: whether what it wrote is still there, nobody can tell."""
    path = links.folder / "_results-links.json"
    left = storage.read_json(str(path))
    storage.write_json(str(links.folder), path.name, {**left, "files": []})
    assert links.build() == 1
    assert storage.read_json(str(path)) == left


def test_a_job_on_other_input_is(links: Links) -> None:
    links.addresses.write_text("http://c.example.org/\n")
    assert links.build() == 1
    assert storage.read_json(str(links.folder / storage.MANIFEST))["counters"]["links"] == 1

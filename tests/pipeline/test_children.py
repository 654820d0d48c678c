"""What children are asked ahead is what the stage asks for: nothing is read twice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import children, offload, run
from pipeline.config import CorpusConfig, Extract, Harvest, Runner
from pipeline.harvest.posts import InputFile
from pipeline.ledger import Stage
from webtext.errors import UserError

SAMPLES = Path(__file__).parents[2] / "samples"


def begun() -> Mapping[Any, Any]:
    """What was begun and not asked for yet."""
    assert offload._crew is not None
    return dict(offload._crew._begun)


def config_of(output: Path, **harvest: Any) -> CorpusConfig:
    section = Harvest(
        dumps=(f"{SAMPLES}/submissions/RS_*",),
        urls=(f"{SAMPLES}/urls/*.txt",),
        blocked_subreddits=("RumourMill",),
        **harvest,
    )
    return CorpusConfig(output=str(output), harvest=section, extract=Extract(workers=2))


@pytest.mark.parametrize("harvest", [{}, {"min_karma": 5, "karma_rule": "sum", "blocked_domains": ("example.com",)}])
def test_every_file_is_begun_ahead_and_taken(
    harvest: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = []
    rest = offload.rest

    def told_rest() -> None:
        left.append(begun())
        rest()

    monkeypatch.setattr(offload, "rest", told_rest)
    config = config_of(tmp_path / "run", **harvest)
    with children.reading(config):
        files = [file for _, file in begun()]
        run.build(config, until=Stage.LINKS)
    assert all(isinstance(file, InputFile) for file in files)
    assert len(files) == len(set(files)) == len([*SAMPLES.glob("submissions/RS_*"), *SAMPLES.glob("urls/*.txt")])
    assert left
    assert not any(left)


def test_a_finished_stage_is_not_read_for(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run")
    with children.reading(config):
        run.build(config, until=Stage.LINKS)
    with children.reading(config):
        assert not begun()
        run.build(config, until=Stage.LINKS)


def test_the_largest_files_come_first(tmp_path: Path) -> None:
    with children.reading(config_of(tmp_path / "run")):
        sizes = [Path(file.path).stat().st_size for _, file in begun()]
    assert sizes == sorted(sizes, reverse=True)


def test_an_engine_that_has_less_memory_than_there_are_posts_is_given_none_ahead(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run").model_copy(update={"runner": Runner(name="spark")})
    with children.reading(config):
        assert offload.workers()
        assert not begun()


def test_what_children_cannot_see_is_not_theirs(tmp_path: Path) -> None:
    with children.reading(config_of(tmp_path / "run").model_copy(update={"output": "memory://run"})):
        assert not offload.workers()
    with children.reading(CorpusConfig(output=str(tmp_path), harvest=Harvest(dumps=("memory://dumps/RS_*",)))):
        assert not offload.workers()


def test_what_is_not_there_is_said_before_beam_is_loaded(tmp_path: Path) -> None:
    config = CorpusConfig(output=str(tmp_path / "run"), harvest=Harvest(dumps=(f"{tmp_path}/RS_*",)))
    with pytest.raises(UserError, match=r"harvest\.dumps: no file matches"), children.reading(config):
        pass
    assert not offload.workers()

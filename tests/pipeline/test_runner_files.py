"""`--runner`: what executes a pipeline, out of a file of its own."""

import argparse
from pathlib import Path

import pytest

from pipeline import arguments
from pipeline.config import CorpusConfig
from webtext.errors import UserError


def config(*options: str) -> CorpusConfig:
    parser = argparse.ArgumentParser()
    arguments.add_config(parser)
    arguments.add_runner(parser)
    return arguments.config_of(parser.parse_args(["--set", "output=x", *options]))


@pytest.mark.parametrize("file", sorted(arguments.RUNNERS.glob("*.yaml")), ids=lambda file: str(file.stem))
def test_each_of_ours_is_one(file: Path) -> None:
    found = config("--runner", file.stem)
    assert found.runner == config("--runner", str(file)).runner
    assert file.stem.startswith(found.runner.name)


def test_without_one_the_work_is_done_here() -> None:
    assert config().runner == config("--runner", "direct").runner


def test_it_takes_the_place_of_the_configs_section_and_single_keys_still_override(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("output: y\nrunner: {name: flink, options: {flink_master: 'host:8081'}}\n")
    overridden = ("--set", "runner.options.spark_master_url=spark://host:7077", "--set", "runner.memory=5g")
    found = config("--config", str(own), "--runner", "spark", *overridden).runner
    assert (found.name, found.memory) == ("spark", "5g")
    assert found.options == {"spark_master_url": "spark://host:7077", "environment_type": "PROCESS"}


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"--runner sparc: there is no file .*known here: .*spark-local"):
        config("--runner", "sparc")


def test_a_mistake_in_the_file_is_told_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: spark\nmemory: much\n")
    with pytest.raises(UserError, match=rf"{file}: runner.memory = 'much'"):
        config("--runner", str(file))


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ('{"command": "/opt/worker", "env": {"A": "1"}}', '{"command": "/opt/worker", "env": {"A": "1"}}'),
        ("[a, 1]", ["a", "1"]),
        ("3", 3),
        ("true", True),
        ("0.5", 0.5),
        ("host:50000", "host:50000"),
    ],
)
def test_an_option_comes_to_beam_as_it_takes_it(written: str, given: object) -> None:
    options = config("--set", f"runner.options.environment_config={written}").runner.options
    assert options["environment_config"] == given
    assert type(options["environment_config"]) is type(given)


@pytest.mark.parametrize("written", ["2026-01-01", "[[a]]", "[{a: b}]"])
def test_what_no_option_can_be_is_one_sentence(written: str) -> None:
    with pytest.raises(UserError, match=r"^--set: runner\.options\.x = .*: give text, a number[^.]*\.$"):
        config("--set", f"runner.options.x={written}")

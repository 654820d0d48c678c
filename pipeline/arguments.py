"""Options that all commands of the corpus share: the config, and the run directory that it names."""

import argparse
from pathlib import Path

from pipeline.config import CorpusConfig
from webtext import arguments, settings
from webtext.errors import UserError

RUNNERS = Path(__file__).parent.parent / "configs" / "runners"
"""In a checkout."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--set`."""
    arguments.add_config(parser, file="configs/corpus/sample.yaml", override="harvest.min_karma=5")


def add_runner(parser: argparse.ArgumentParser) -> None:
    """`--runner`."""
    parser.add_argument(
        "--runner",
        metavar="NAME",
        help="what executes the pipeline, in place of the config's section runner: a name out of configs/runners "
        "(direct, spark-local, spark, flink, dataflow), or any YAML file like those",
    )


def config_of(given: argparse.Namespace) -> CorpusConfig:
    """The config that the options describe.

    Raises UserError for a wrong key or value.
    """
    runner = getattr(given, "runner", None)
    sections = {"runner": runner_file(runner)} if runner else {}
    return settings.load(CorpusConfig, given.config, given.overrides, sections)


def runner_file(name: str) -> str:
    """The file that `--runner` means.

    Raises UserError where there is none.
    """
    if "/" in name or name.endswith((".yaml", ".yml")):
        return name
    named = RUNNERS / f"{name}.yaml"
    if not named.is_file():
        known = ", ".join(sorted(file.stem for file in RUNNERS.glob("*.yaml")))
        raise UserError(f"--runner {name}: there is no file {named}; known here: {known or 'none'}.")
    return str(named)


def add_run(parser: argparse.ArgumentParser) -> None:
    """The run directory by itself, or the options of a config that has it."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="the run directory, finished or not")
    parser.add_argument("--output", metavar="RUN", help="the same")
    add_config(parser)


def run_of(given: argparse.Namespace) -> str:
    """The run directory that the options name.

    Raises UserError where they name none.
    """
    run = given.run or given.output
    if not run and not given.config and not given.overrides:
        raise UserError(f"which run? Give its directory: webtext {given.command} RUN.")
    return str(run or config_of(given).output)

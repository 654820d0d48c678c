"""Options that all commands of the corpus share: the config, and the run directory that it names."""

import argparse

from pipeline.config import CorpusConfig
from webtext import arguments, settings
from webtext.errors import UserError


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--set`."""
    arguments.add_config(parser, file="configs/corpus/sample.yaml", override="harvest.min_karma=5")


def config_of(given: argparse.Namespace) -> CorpusConfig:
    """The config that the options describe.

    Raises UserError for a wrong key or value.
    """
    return settings.load(CorpusConfig, given.config, given.overrides)


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

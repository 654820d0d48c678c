"""Options that all commands of the corpus share: the config, and the run directory that it names."""

import argparse

from pipeline.config import CorpusConfig
from webtext import settings
from webtext.errors import UserError


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--set`."""
    parser.add_argument("--config", metavar="FILE", help="a YAML file, for example configs/corpus/sample.yaml")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the config, for example harvest.min_karma=5; may be repeated",
    )


def config_of(arguments: argparse.Namespace) -> CorpusConfig:
    """The config that the options describe.

    Raises UserError for a wrong key or value.
    """
    return settings.load(CorpusConfig, arguments.config, arguments.overrides)


def add_run(parser: argparse.ArgumentParser) -> None:
    """The run directory by itself, or the options of a config that has it."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="the run directory, finished or not")
    parser.add_argument("--output", metavar="RUN", help="the same")
    add_config(parser)


def run_of(arguments: argparse.Namespace) -> str:
    """The run directory that the options name.

    Raises UserError where they name none.
    """
    run = arguments.run or arguments.output
    if not run and not arguments.config and not arguments.overrides:
        raise UserError(f"which run? Give its directory: webtext {arguments.command} RUN.")
    return str(run or config_of(arguments).output)

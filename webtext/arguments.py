"""Options that commands share: the config and its overrides."""

import argparse
from collections.abc import Sequence

from webtext.errors import UserError


def add_config(parser: argparse.ArgumentParser, file: str, override: str) -> None:
    """`--config` and `--set`, read by `webtext.settings.load`; `file` and `override` are the help's examples."""
    parser.add_argument("--config", metavar="FILE", help=f"a YAML file, here or far away (gs://), for example {file}")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"override a key of the config, for example {override}; may be repeated",
    )


def refuse(command: str, unknown: Sequence[str]) -> None:
    """Complain of options that a command does not know.

    Raises UserError where there is one.
    """
    if unknown:
        raise UserError(f"webtext {command} does not know {unknown[0]}; see webtext {command} --help.")

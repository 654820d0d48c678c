"""`webtext export`: its options."""

import argparse
import logging
import sys
from collections.abc import Sequence

from webtext import arguments

EXAMPLES = """\
examples:
  webtext export --checkpoint runs/sample-train --output HF
  webtext export --checkpoint runs/sample-train/checkpoints/step-00000100 --output HF --dtype bf16

A Hugging Face folder as --checkpoint is read like any other. The card says what the run measured, and nothing else:
read and complete it before you publish it.
"""

log = logging.getLogger("webtext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--checkpoint", required=True, metavar="PATH", help="a checkpoint, a training run or a Hugging Face folder"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="a new folder, or an earlier export")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32", help="of the weights (%(default)s)")
    parser.add_argument("--name", help="the card's title; by default the folder's name")
    parser.add_argument("--license", default="other", help="the card's licence field (%(default)s)")


def run(given: argparse.Namespace, extra: Sequence[str]) -> int:
    """Write the folder."""
    arguments.refuse("export", extra)
    from model.export.folder import export

    folder = export(given.checkpoint, given.output, dtype=given.dtype, name=given.name, license_name=given.license)
    sys.stdout.write(f"{folder}\n")
    log.info("%-11sread %s/README.md; try it with: webtext sample --checkpoint %s", "next", folder, folder)
    return 0

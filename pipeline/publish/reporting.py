"""`webtext report`: write a run's report anew."""

import argparse
import sys
from collections.abc import Sequence

from pipeline.publish import report, run_view
from webtext.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--output", required=True, metavar="RUN", help="the run directory, finished or not")
    parser.add_argument(
        "--reference-domains", default="", metavar="FILE", help="OpenAI's list of WebText's top domains (domains.txt)"
    )


def run(arguments: argparse.Namespace, extra: Sequence[str] = ()) -> int:
    """Write the report and print where it lies; returns the exit code.

    Raises UserError when no run is there.
    """
    if extra:
        raise UserError(f"webtext report knows no {extra[0]}; `webtext report --help` lists what it knows.")
    if not run_view.partition_count(arguments.output):
        raise UserError(
            f"--output {arguments.output}: no run is there; give the directory that `webtext corpus` wrote."
        )
    sys.stdout.write(report.rebuild_report(arguments.output, arguments.reference_domains) + "\n")
    return 0

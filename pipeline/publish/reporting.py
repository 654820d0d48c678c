"""`webtext report`: write a run's report anew."""

import argparse
import sys
from collections.abc import Sequence

from pipeline import arguments
from pipeline.publish import report, run_view
from webtext.arguments import refuse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    arguments.add_run(parser)
    parser.add_argument(
        "--reference-domains", default="", metavar="FILE", help="OpenAI's list of WebText's top domains (domains.txt)"
    )


def run(given: argparse.Namespace, extra: Sequence[str] = ()) -> int:
    """Write the report and print where it lies; returns the exit code.

    Raises UserError when no run is there.
    """
    refuse("report", extra)
    where = run_view.existing(arguments.run_of(given))
    sys.stdout.write(report.rebuild_report(where, given.reference_domains) + "\n")
    return 0

"""`webtext doctor`: says what would go wrong before it does."""

import argparse
import sys
from collections.abc import Iterator, Sequence

import orjson

from pipeline import arguments
from pipeline.config import CorpusConfig
from pipeline.doctor import findings, software
from pipeline.doctor.findings import Finding, State
from webtext.arguments import refuse
from webtext.errors import UserError

EXAMPLES = """\
examples:
  webtext doctor                                       this machine: Python, libraries, memory, files
  webtext doctor --config my.yaml                      and all that the config would need of it
  webtext doctor --config my.yaml --json               for machines

Looks and changes nothing. Asks nobody over the net unless the config does: fetch.live, fetch.fallbacks, harvest.reddit.
The exit code is 0 when nothing is a problem, else 2; warnings do not count.
"""

PROBLEMS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    arguments.add_config(parser)


def run(given: argparse.Namespace, extra: Sequence[str]) -> int:
    """Look and tell."""
    refuse("doctor", extra)
    found = []
    for finding in examine(given):
        found.append(finding)
        if not given.json:
            sys.stdout.write(f"{finding}\n")
            sys.stdout.flush()  # names may take seconds
    if given.json:
        told = orjson.dumps(findings.as_json(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        sys.stdout.write(told.decode())
    else:
        sys.stdout.write(f"{findings.summary(found)}\n")
    return PROBLEMS if findings.count(found, State.PROBLEM) else 0


def examine(given: argparse.Namespace) -> Iterator[Finding]:
    """The findings. Where libraries are missing, what needs them is not looked at."""
    of_software = list(software.examine())
    yield from of_software
    config = None
    try:
        config = _config(given)
        if config is not None:
            yield findings.ok("config", "its keys and values are right.")
    except UserError as error:
        yield findings.problem("config", str(error))
    if findings.count(of_software, State.PROBLEM):
        return
    from pipeline.doctor import examination

    yield from examination.examine(config)


def _config(given: argparse.Namespace) -> CorpusConfig | None:
    return arguments.config_of(given) if given.config or given.overrides else None

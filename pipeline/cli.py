"""`webtext corpus`: its arguments, its plan, and what it says when it is done."""

import argparse
import gc
import logging
import sys
import types
from collections.abc import Sequence

from pipeline import arguments, children
from pipeline.config import CorpusConfig
from pipeline.ledger import Stage

EXAMPLES = """\
examples:
  webtext corpus --config configs/corpus/sample.yaml
  webtext corpus --config configs/corpus/webtext.yaml --set output=runs/2011 --set 'harvest.dumps=["RS_2011-*.zst"]'
  webtext corpus --config my.yaml --dry-run
  webtext corpus --config my.yaml --until pages
  webtext corpus --config my.yaml --runner spark --set runner.options.spark_master_url=spark://10.0.0.1:7077

The same command again goes on where the last one ended; finished stages whose inputs and config are unchanged are kept.
Options that webtext does not know are given to Beam. Every config key: pipeline/config.py.
"""

OBJECTS_BETWEEN_COLLECTIONS = 50_000

log = logging.getLogger("webtext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    arguments.add_config(parser)
    arguments.add_runner(parser)
    parser.add_argument(
        "--until",
        choices=[stage.value for stage in Stage],
        default=Stage.CORPUS.value,
        metavar="STAGE",
        help=f"the last stage to do: {', '.join(Stage)} (%(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and write nothing")


def run(given: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Build the corpus, or tell what would be built."""
    config, until = config_of(given, beam_arguments), Stage(given.until)
    if given.dry_run:
        sys.stdout.writelines(f"{line}\n" for line in _stages().plan(config, beam_arguments, until))
        return 0
    with children.reading(config):
        stages = _stages()
        with children.ready(config):
            folder = stages.build(config, beam_arguments, until)
    sys.stdout.write(f"{folder}\n")
    if until is not Stage.CORPUS:
        return 0
    log.info(
        "%-11sopen %s/report.html; look at single links with: webtext inspect %s",
        "next",
        folder,
        config.output,
    )
    return 0


def config_of(given: argparse.Namespace, beam_arguments: Sequence[str]) -> CorpusConfig:
    """The config that the options describe.

    Raises UserError for a wrong key or value, and for an option that Beam does not know either.
    """
    config = arguments.config_of(given)
    if beam_arguments:
        from pipeline import runners

        runners.check_arguments(beam_arguments)
    return config


def _stages() -> types.ModuleType:
    """The stages; Beam takes a second to import: not before the config is known to be right and the children load."""
    # What imports make stays, and posts and messages are many objects and few cycles: looking for those took a tenth of
    # the time of importing Beam and of reading dumps.
    gc.disable()
    try:
        from pipeline import run
    finally:
        gc.enable()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    return run

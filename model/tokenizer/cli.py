"""`webtext tokenizer`: its arguments, its plan, and what it says when it is done."""

import argparse
import logging
import sys
from collections.abc import Sequence

from model.tokenizer import stage
from model.tokenizer.config import TokenizerConfig
from webtext import arguments, settings

EXAMPLES = """\
examples:
  webtext tokenizer --set output=runs/webtext
  webtext tokenizer --config configs/tokenizer/sample.yaml
  webtext tokenizer --set output=runs/webtext --set import_from=gpt2       # GPT-2's own encoder.json and vocab.bpe

Reads RUN/corpus/data and writes RUN/tokenizer, with which Hugging Face's AutoTokenizer loads it. The same command again
keeps what is there, unless the corpus or the config changed. Every config key: model/tokenizer/config.py.
"""

log = logging.getLogger("webtext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    arguments.add_config(parser, "configs/tokenizer/sample.yaml", "vocabulary=4096")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and write nothing")


def run(given: argparse.Namespace, unknown: Sequence[str]) -> int:
    """Make the tokenizer, or tell what would be made."""
    arguments.refuse("tokenizer", unknown)
    config = settings.load(TokenizerConfig, given.config, given.overrides)
    if given.dry_run:
        sys.stdout.writelines(f"{line}\n" for line in stage.plan(config))
        return 0
    folder = stage.build(config)
    sys.stdout.write(f"{folder}\n")
    log.info("%-11sread %s/%s, then: webtext tokens --set output=%s", "next", folder, stage.REPORT, config.output)
    return 0

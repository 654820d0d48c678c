"""`webtext tokens`: its arguments, its plan, and what it says when it is done."""

import argparse
import logging
import sys
from collections.abc import Sequence

from model.tokens import exports, stage
from model.tokens.config import TokensConfig
from webtext import arguments, settings

EXAMPLES = """\
examples:
  webtext tokens --set output=runs/webtext
  webtext tokens --set output=runs/webtext --export llmc:llm.c/dev/data/webtext
  webtext tokens --set output=runs/webtext --export nanogpt:nanoGPT/data/webtext

Reads RUN/corpus/data and RUN/tokenizer and writes RUN/tokens: files of 16-bit little-endian ids, a split's documents by
ascending id, each with <|endoftext|> at its end. The same command again goes on where the last one ended. Every config
key: model/tokens/config.py.

--export writes a copy for another trainer:
  llmc      webtext_train_*.bin and webtext_val_*.bin with llm.c's header, for its options -i and -j
  nanogpt   train.bin and val.bin, for its option --dataset, and meta.json, which tells of the vocabulary. nanoGPT
            itself takes 50,304 entries, which fits every smaller vocabulary.
"""

log = logging.getLogger("webtext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    arguments.add_config(parser, "my.yaml", "tokens_per_file=10000000")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and write nothing")
    parser.add_argument(
        "--export",
        action="append",
        default=[],
        metavar="TRAINER:FOLDER",
        help="also write the tokens as llmc or nanogpt read them; may be repeated",
    )


def run(given: argparse.Namespace, unknown: Sequence[str]) -> int:
    """Encode the corpus, or tell what would be done."""
    arguments.refuse("tokens", unknown)
    config = settings.load(TokensConfig, given.config, given.overrides)
    wanted = [exports.parse(option) for option in given.export]
    if given.dry_run:
        plan = [
            *stage.plan(config),
            *(f"export      would be written for {each.kind} to {each.folder}" for each in wanted),
        ]
        sys.stdout.writelines(f"{line}\n" for line in plan)
        return 0
    folder = stage.build(config)
    for export in wanted:
        names = exports.write(export, folder)
        log.info("%-11s%s in %s", "export", ", ".join(names), export.folder)
    sys.stdout.write(f"{folder}\n")
    log.info("%-11swebtext train --config configs/train/sample.yaml --set tokens=%s", "next", folder)
    return 0

"""`webtext sample`: its options, its prompts, and how texts are written."""

import argparse
import json
import logging
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webtext import arguments, storage
from webtext.errors import UserError

if TYPE_CHECKING:
    from model.sampling.session import Session

EXAMPLES = """\
examples:
  webtext sample --checkpoint runs/sample-train --prompt "The old house" --max-tokens 100
  webtext sample --checkpoint HF --prompt "TL;DR:" --temperature 0 --stop . --stop $'\\n'
  webtext sample --checkpoint HF --prompt-file story.txt --top-k 0 --top-p 0.9 --seed 1 --count 3
  webtext sample --checkpoint HF --interactive

The continuation alone is written to stdout, not the prompt. Several texts are parted by a line (--separator), or
written to a file as JSON lines (--output). Without a prompt, a text begins as a document does. A seed gives the same
texts again on the same kind of device; each depends on its own prompt and number, not on the texts beside it.
"""

INTERRUPTED = 130

log = logging.getLogger("webtext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--checkpoint", required=True, metavar="PATH", help="a checkpoint, a training run or a Hugging Face folder"
    )
    prompts = parser.add_argument_group("prompts")
    prompts.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="may be repeated")
    prompts.add_argument(
        "--prompt-file", action="append", default=[], metavar="FILE", help="a whole file is a prompt; - is stdin"
    )
    prompts.add_argument("--interactive", action="store_true", help="ask for one prompt after the other")
    texts = parser.add_argument_group("texts")
    texts.add_argument("--max-tokens", type=int, default=200, metavar="N", help="at most so long (%(default)s)")
    texts.add_argument("--temperature", type=float, default=1.0, metavar="T", help="0 is greedy (%(default)s)")
    texts.add_argument(
        "--top-k", type=int, default=40, metavar="K", help="0: all tokens (%(default)s, as the paper's samples)"
    )
    texts.add_argument("--top-p", type=float, default=1.0, metavar="P", help="nucleus sampling (%(default)s: off)")
    texts.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same texts; by default a new one")
    texts.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before it; may be repeated")
    texts.add_argument("--count", type=int, default=1, metavar="N", help="texts for each prompt (%(default)s)")
    output = parser.add_argument_group("output")
    output.add_argument("--output", metavar="FILE", help="write JSON lines (prompt, text, tokens, ended) there")
    output.add_argument("--separator", default="--------", metavar="LINE", help="between texts (%(default)s)")
    output.add_argument("--no-stream", action="store_true", help="write a text when it is whole, not as it comes")
    speed = parser.add_argument_group("speed")
    speed.add_argument("--batch", type=int, default=8, metavar="N", help="texts made at once (%(default)s)")
    speed.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: CUDA where there is one"
    )
    speed.add_argument(
        "--dtype", choices=("fp32", "bf16"), default="fp32", help="bf16 is faster, not exact (%(default)s)"
    )


def run(given: argparse.Namespace, extra: Sequence[str]) -> int:
    """Continue the prompts."""
    _check(given, extra)
    prompts = _prompts(given)
    from model.sampling.session import open_session

    drawn = given.seed is None
    if drawn:
        given.seed = secrets.randbelow(2**31)
    try:
        session = open_session(given)
        if drawn and given.temperature:
            log.info("%-11s%d", "seed", given.seed)
        if given.interactive:
            return _converse(session)
        if given.output:
            _write_file(session, prompts, given.output)
        else:
            _write_stdout(session, prompts, given)
    except KeyboardInterrupt:
        return INTERRUPTED  # what was written stands; there is nothing to go on with
    except BrokenPipeError:  # whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _check(given: argparse.Namespace, extra: Sequence[str]) -> None:
    arguments.refuse("sample", extra)
    for name in ("max_tokens", "count", "batch"):
        if getattr(given, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(given, name)}: give a number of at least 1.")
    if given.interactive and (given.prompt or given.prompt_file or given.output or given.count > 1):
        raise UserError("--interactive asks for its prompts: leave out --prompt, --prompt-file, --count and --output.")
    if not all(given.stop):
        raise UserError("--stop is empty: give the text to stop at.")


def _prompts(given: argparse.Namespace) -> list[bytes]:
    """Prompts as bytes: what is no UTF-8 is continued as it stands."""
    prompts = [os.fsencode(prompt) for prompt in given.prompt]
    for name in given.prompt_file:
        try:
            prompts.append(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
        except OSError as error:
            raise UserError(f"cannot read the prompt {name}: {error.strerror}; give a file, or - for stdin.") from None
    return [prompt for prompt in prompts or [b""] for _ in range(given.count)]


def _write_stdout(session: "Session", prompts: Sequence[bytes], given: argparse.Namespace) -> None:
    """A single text as it comes; of several, each when it is whole."""
    streams = len(prompts) == 1 and not given.no_stream
    for number, text in enumerate(session.texts(prompts, listen=_say if streams else None)):
        _say(f"{given.separator}\n" if number else "")
        _say("" if streams else text.text)
        _say("" if text.text.endswith("\n") else "\n")


def _write_file(session: "Session", prompts: Sequence[bytes], path: str) -> None:
    with storage.open_atomic(path) as file:
        for prompt, text in zip(prompts, session.texts(prompts), strict=True):
            shown = {"prompt": prompt.decode("utf-8", "replace"), **text._asdict()}
            file.write(json.dumps(shown, ensure_ascii=False).encode() + b"\n")
    log.info("%-11s%s", "written", path)


def _say(piece: str) -> None:
    sys.stdout.buffer.write(piece.encode())
    sys.stdout.buffer.flush()


def _converse(session: "Session") -> int:
    """Ask, continue, ask again. Ctrl-C ends a text, or the conversation where none is being written, as Ctrl-D does."""
    import readline  # noqa: F401 - gives input() its editing and history

    on_a_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if on_a_terminal:
        log.info("a prompt a line; Ctrl-C ends a text, Ctrl-D ends the conversation.")
    number = 0
    while True:
        try:
            prompt = input("> " if on_a_terminal else "")
        except (EOFError, KeyboardInterrupt):
            if on_a_terminal:
                _say("\n")
            return 0
        try:
            for text in session.texts([os.fsencode(prompt)], listen=_say, first=number):
                _say("" if text.text.endswith("\n") else "\n")
        except KeyboardInterrupt:
            _say("\n")
        number += 1

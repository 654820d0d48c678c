"""The `webtext` command: finds who does what is asked for, and turns what happens into an exit code and a sentence.

A command lives where its work lives and is imported only when it is called, so that a corpus needs no torch and
training needs no Beam.

Exit codes: 0 done, 1 a defect of webtext or of the machine (with a traceback), 2 a mistake that the user can mend (with
one sentence), 130 stopped by Ctrl-C, 143 stopped by SIGTERM.
"""

import argparse
import atexit
import contextlib
import importlib
import logging
import os
import signal
import sys
import types
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import webtext
from webtext import logs
from webtext.errors import UserError

USER_ERROR = 2
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class Command(NamedTuple):
    """Where a command lives: `module` has `add_arguments(parser)` and `run(arguments, extra) -> exit code`."""

    module: str
    extra: str
    """The distribution's extra that its libraries come with."""
    summary: str


COMMANDS = {
    "corpus": Command("pipeline.cli", "corpus", "build a corpus: from Reddit dumps and page archives to a release"),
    "dumps": Command("pipeline.harvest.inventory", "corpus", "which monthly dumps are needed, at hand and sound"),
    "template": Command("pipeline.template.cli", "corpus", "write a Dataflow Flex Template, which starts runs"),
    "doctor": Command("pipeline.doctor.cli", "corpus", "say what would go wrong, before it does"),
    "train": Command("model.training.cli", "model", "train a GPT-2 on tokens, or go on with a run"),
    "finetune": Command("model.training.cli", "model", "train a GPT-2 from given weights on"),
    "sample": Command("model.sampling.cli", "model", "let a GPT-2 continue a text"),
    "export": Command("model.export.cli", "model", "write a GPT-2 as a Hugging Face folder, with its card"),
    "report": Command("pipeline.publish.reporting", "corpus", "write a run's report.html anew"),
    "inspect": Command("pipeline.publish.inspection", "corpus", "look at what was kept, what was refused and why"),
    "tokenizer": Command("model.tokenizer.cli", "model", "learn a vocabulary from a corpus, or take GPT-2's"),
    "tokens": Command("model.tokens.cli", "model", "encode a corpus into the files that training reads"),
}


def program() -> NoReturn:
    """The command as it is installed: `main`, and then out of the process at once, as mypy does.

    Python's own way out takes every library apart, which takes up to a quarter of a second, and aborts where one of
    their threads (Arrow's, FSDP2's) still lets go of something: a run that was done would end as one that crashed.
    """
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):  # whoever read it has seen enough
            stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGINT, _raise_interrupted)
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        return _run(arguments)
    except UserError as error:
        logging.getLogger("webtext").error("%s", error)
        return USER_ERROR
    except KeyboardInterrupt:
        return _stopped("stopped", INTERRUPTED)
    except Terminated:
        return _stopped("terminated", TERMINATED)


def _run(arguments: list[str]) -> int:
    parsed, unknown = parse(arguments)
    logs.set_up(parsed.log_format, verbose=parsed.verbose)
    return int(_module(parsed.command).run(parsed, unknown))


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """What a command line says: the command's own options, and what is left over."""
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    return _parser(name if name in COMMANDS else None).parse_known_args(arguments)


def _stopped(how: str, code: int) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # an impatient second one would kill the process on its way out
        signal.signal(number, signal.SIG_IGN)
    logging.getLogger("webtext").error("%s; the same command goes on where this run ended.", how)
    return code


class Terminated(BaseException):
    """SIGTERM arrived: unwinds like KeyboardInterrupt, so that files and children are left in order."""


# Both carry words, since Beam raises what has none again as a RuntimeError.


def _raise_interrupted(_signum: int, _frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt("Ctrl-C")


def _raise_terminated(_signum: int, _frame: types.FrameType | None) -> None:
    raise Terminated("SIGTERM")


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The whole command's parser; only the chosen command's module is imported for its arguments."""
    parser = argparse.ArgumentParser(prog="webtext", description=webtext.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"webtext {webtext.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        below = commands.add_parser(
            name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == chosen:
            _module(name).add_arguments(below)
        below.add_argument(
            "--log-format", choices=logs.FORMATS, default="text", help="how stderr is written (%(default)s)"
        )
        below.add_argument("--verbose", action="store_true", help="also tell what is of interest to developers")
    return parser


def _module(name: str) -> types.ModuleType:
    command = COMMANDS[name]
    try:
        return importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("webtext", "pipeline", "model"):
            raise
        raise UserError(
            f"webtext {name} needs {error.name}, which is not installed: pip install 'webtext[{command.extra}]'."
        ) from error


if __name__ == "__main__":
    program()

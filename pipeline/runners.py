"""What executes a pipeline: from the config's `runner` to a Beam pipeline, and from its failure to a sentence."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline import flattening, harness
from pipeline.config import Runner
from pipeline.engines import Engine, NoEngine, environment
from webtext.errors import UserError

BEAM_RUNNERS = {"spark": "PortableRunner", "flink": "PortableRunner", "dataflow": "DataflowRunner"}

STEP_SUFFIX = re.compile(r"\s*\[while running .*", re.DOTALL)
REMOTE_USER_ERROR = re.compile(rf"{UserError.__module__}\.{UserError.__qualname__}: (?P<sentence>[^\n]*)")


def execute(
    build: Callable[[beam.Pipeline], object],
    runner: Runner,
    arguments: Sequence[str] = (),
    engine: Engine | None = None,
) -> None:
    """Build a pipeline, run it on the configured runner, and wait for its end.

    arguments: what the command line had beside webtext's own options, for Beam to understand.
    engine: what Spark and Flink need beside this process, `pipeline.engines.ready`.
    Raises UserError for one that a worker raised, wherever the worker was, and for an engine that died.
    """
    engine = engine or NoEngine(runner.options)
    try:
        pipeline = new_pipeline(runner, arguments, engine)
        build(pipeline)
        if runner.name != "direct":
            flattening.give_one_coder(pipeline)
        pipeline.run().wait_until_finish()
    except (Exception, KeyboardInterrupt) as error:
        sentence = (
            user_sentence(error)
            or environment.sentence(str(error))
            or engine.obituary(interrupted=isinstance(error, KeyboardInterrupt))
        )
        if sentence is None:
            raise
        raise UserError(sentence) from None


def new_pipeline(runner: Runner, arguments: Sequence[str] = (), engine: Engine | None = None) -> beam.Pipeline:
    """An empty pipeline; locally on FnApiRunner by name, since Beam's DirectRunner first tries to download another."""
    options = {"pipeline_type_check": False, **(engine or NoEngine(runner.options)).options()}
    harness.prepare()
    if runner.name == "direct":
        return beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(list(arguments), **options))
    return beam.Pipeline(options=PipelineOptions(list(arguments), runner=BEAM_RUNNERS[runner.name], **options))


def check_arguments(arguments: Sequence[str]) -> None:
    """Beam passes over what it does not know in silence; a mistyped option of ours must not vanish so.

    Raises UserError for an argument that is no option of Beam's either.
    """
    if not arguments[0].startswith("-"):
        raise UserError(
            f"webtext corpus takes no {arguments[0]!r}; everything is an option, see webtext corpus --help."
        )
    with _quiet():
        options = PipelineOptions(list(arguments))
        known = options.get_all_options(drop_default=True)
        given = options.get_all_options(drop_default=True, retain_unknown_options=True)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UserError(f"neither webtext nor Beam knows --{unknown[0]}; see webtext corpus --help.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Beam warns of each unknown option when it is asked which there are."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def user_sentence(error: BaseException) -> str | None:
    """The sentence of the UserError that a worker raised, or None for any other failure.

    The local runner raises the error itself with the step's name behind it; the others hand on its traceback as text.
    """
    if isinstance(error, UserError):
        return STEP_SUFFIX.sub("", str(error))
    remote = REMOTE_USER_ERROR.search(str(error))
    return STEP_SUFFIX.sub("", remote["sentence"]) if remote else None

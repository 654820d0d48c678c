"""What Google's launcher starts in the image, with the template's parameters and its job's options as arguments.

It sends the job and does not wait for it, as Dataflow asks of it: with `template_location`, which the launcher gives,
Beam writes the job to that file, and Dataflow takes it from there.
"""

import argparse
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import cli, runners
from pipeline.config import Runner
from pipeline.engines import dataflow
from pipeline.template.driver import COMMAND, Drive
from pipeline.template.specification import TAKEN, WITHOUT_PUBLIC_ADDRESSES
from webtext import command, logs
from webtext.errors import UserError

ONE_WORKER = (
    "--no_save_main_session",
    "--num_workers=1",
    "--max_num_workers=1",
    "--autoscaling_algorithm=NONE",
    "--number_of_worker_harness_threads=1",
    "--experiments=no_use_multiple_sdk_containers",
)
HANDED_ON = ("project", "region", *(name for name in TAKEN if name != "staging_location"))
"""Options of this job that the run's jobs have too. staging_location is not: the launcher's is of this job alone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Send the job; returns the exit code."""
    logs.set_up("text")
    given, options = _parser().parse_known_args(arguments)
    try:
        words = corpus_arguments(given, options)
        check(words)
    except UserError as error:
        logging.getLogger("webtext").error("%s", error)
        return command.USER_ERROR
    pipeline(words, options).run()
    return 0


def corpus_arguments(given: argparse.Namespace, options: Sequence[str]) -> list[str]:
    """The command line of `webtext corpus`. given: the template's parameters. options: those of this job, Beam's.

    Raises UserError for what no shell would understand.
    """
    try:
        more = shlex.split(given.arguments)
    except ValueError as error:
        raise UserError(f"the parameter arguments is not quoted as for a shell ({error}): {given.arguments}") from None
    output = ["--set", f"output={given.output}"] if given.output else []
    return ["--config", given.config, "--runner", dataflow.NAME, *output, *_handed_on(options), *more]


def check(words: Sequence[str]) -> None:
    """Find mistakes before a worker is paid for.

    Raises UserError for what `webtext corpus` would refuse at once.
    """
    given, beam_arguments = command.parse(["corpus", *words])
    dataflow.check(cli.config_of(given, beam_arguments), beam_arguments)


def pipeline(words: Sequence[str], options: Sequence[str]) -> beam.Pipeline:
    """The job that runs `webtext corpus` with these words."""
    arguments = [*options, *ONE_WORKER]
    runner = Runner(name=dataflow.NAME)
    job = runners.new_pipeline(runner, arguments, dataflow.Service(runner, arguments))
    job | "Begin" >> beam.Impulse() | "Drive" >> beam.ParDo(Drive([*COMMAND, *words]))
    return job


def _handed_on(options: Sequence[str]) -> Iterator[str]:
    values = PipelineOptions(list(options)).get_all_options()
    for name in HANDED_ON:
        if values[name]:
            yield f"--{name}={values[name]}"
    if values["use_public_ips"] is False:
        yield f"--{WITHOUT_PUBLIC_ADDRESSES}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send the job that runs webtext corpus.", allow_abbrev=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--output", default="")
    parser.add_argument("--arguments", default="")
    return parser


if __name__ == "__main__":
    sys.exit(main())

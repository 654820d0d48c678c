"""`webtext template`: its arguments, and where the template is written."""

import argparse
import logging
import sys
from collections.abc import Sequence

from pipeline import arguments
from pipeline.config import Runner
from pipeline.engines import dataflow
from pipeline.template.specification import IMAGE, TAKEN, WITHOUT_PUBLIC_ADDRESSES, specification
from webtext import settings, storage
from webtext.errors import UserError

EXAMPLES = f"""\
examples:
  webtext template gs://my-bucket/templates/webtext.json \\
    --sdk_container_image=europe-west4-docker.pkg.dev/my-project/webtext/worker:1 --temp_location=gs://my-bucket/tmp
  webtext template webtext.json --runner my-dataflow.yaml

A run is then started without a machine of your own:
  gcloud dataflow flex-template run webtext-2017 --region=europe-west4 \\
    --template-file-gcs-location=gs://my-bucket/templates/webtext.json \\
    --parameters=config=gs://my-bucket/webtext.yaml,output=gs://my-bucket/runs/2017

These of Beam's options are kept in the template, out of the runner's file or the command line; only the first must be
given: {", ".join(sorted(TAKEN, key=lambda name: name != IMAGE))}, {WITHOUT_PUBLIC_ADDRESSES}.
All others are given to each run, in the parameter arguments. More: docs/dataflow.md.
"""

log = logging.getLogger("webtext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("file", metavar="FILE", help="where the template is written: a .json file, here or gs://")
    arguments.add_runner(parser)


def run(given: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Write the template."""
    if not given.file.endswith(".json"):
        raise UserError(f"webtext template writes a .json file, and {given.file} is none; name one.")
    storage.write_json("", given.file, specification(_options(given.runner, beam_arguments)))
    sys.stdout.write(f"{given.file}\n")
    log.info("%-11sgcloud dataflow flex-template run; docs/dataflow.md tells how", "next")
    return 0


def _options(runner: str | None, beam_arguments: Sequence[str]) -> dict[str, object]:
    of_file = settings.load(Runner, arguments.runner_file(runner)) if runner else Runner(name=dataflow.NAME)
    if of_file.name != dataflow.NAME:
        raise UserError(f"--runner {runner}: a template is Dataflow's, and this runner is {of_file.name}.")
    typed = dataflow.Service(Runner(), beam_arguments).given()
    for name in typed:
        if name not in {*TAKEN, WITHOUT_PUBLIC_ADDRESSES}:
            raise UserError(
                f"webtext template does not keep --{name}: give it to each run, in the template's parameter arguments."
            )
    return {**of_file.options, **typed}

"""Google Dataflow: what a run needs before its first job is sent, and what Beam must be told. Knows no Beam.

A run is several jobs, one after the other, which the command sends and waits for.
"""

import dataclasses
import hashlib
import importlib.util
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipeline.config import CorpusConfig, Runner
from pipeline.engines.engine import Options
from webtext import storage
from webtext.errors import UserError

NAME: Final = "dataflow"
REQUIRED = ("project", "region", "temp_location", "sdk_container_image")
GIB = 1024**3
PROCESS_BYTES = 1 * GIB
"""What one Python process of a worker takes beside its child processes."""

_ACTIVE = "DataflowJobAlreadyExistsError"
_AT_WORK = "a job of this run is still at work"
_MISTAKES = "Pipeline has validations errors:"


@dataclasses.dataclass(frozen=True)
class Service:
    """Dataflow as an engine. arguments: what the command line has for Beam; it wins over what is filled in here."""

    runner: Runner
    arguments: Sequence[str] = ()

    def options(self) -> Options:
        """The config's, and those that a user need not write."""
        given = self.given()
        defaults = {
            "sdk_location": "container",
            "staging_location": storage.join(str(given["temp_location"]), "staging"),
        }
        # Beam lets what it is told in this way win over the command line.
        spoken_of = {"job_name", *dict(_named(self.arguments))}
        ours = {**{name: value for name, value in defaults.items() if name not in given}, **self.runner.options}
        return {name: value for name, value in ours.items() if name not in spoken_of}

    def given(self) -> dict[str, str | int | float | bool | list[str] | None]:
        """All options that the user named, those of the command line as text."""
        return {**self.runner.options, **dict(_named(self.arguments))}

    def obituary(self, *, interrupted: bool) -> str | None:  # noqa: ARG002
        """It is somebody else's to die."""
        return None


def _named(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, argument in enumerate(arguments):
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--"):
            follows = "".join(arguments[place + 1 : place + 2])
            yield name, value if equals or follows.startswith("--") else follows


def check(config: CorpusConfig, arguments: Sequence[str] = ()) -> None:
    """Find out what would be refused at Google's, or fail on workers an hour later.

    Raises UserError for the first thing that is missing or out of the workers' reach.
    """
    given = Service(config.runner, arguments).given()
    missing = [name for name in REQUIRED if not given.get(name)]
    if missing:
        raise UserError(
            f"the runner dataflow needs {', '.join(missing)}: set runner.options.{missing[0]} in the config, or give "
            f"--{missing[0]} on the command line; docs/dataflow.md tells what each is."
        )
    check_temp_location(given["temp_location"])
    if given.get("template_location"):
        raise UserError(
            "template_location: a template is one job, and a run is several, with work of this command in between; "
            "webtext template writes one whose job is this command, as docs/dataflow.md tells."
        )
    for key in ("live", "fallbacks"):
        if getattr(config.fetch, key):
            raise UserError(
                f"fetch.{key} asks the web from one machine, at its pace, and not from Dataflow: fetch with the runner "
                "direct into a local output, copy its pages/*.warc.gz to gs://, and name them in fetch.archives."
            )
    for key, path in _read_by_workers(config):
        if storage.is_local(path) or path.startswith("memory:"):
            raise UserError(
                f"{key}: Dataflow's workers cannot reach {path}, which is on this machine; give a gs:// path."
            )
    if not is_installed():
        raise UserError(
            "the runner dataflow needs Beam's part for Google Cloud: pip install 'webtext[corpus,gcp,remote]'."
        )


def check_temp_location(place: object) -> None:
    """Raise UserError for a place where Dataflow can keep nothing."""
    if not str(place).startswith("gs://"):
        raise UserError(f"temp_location = {place}: Dataflow wants a folder of gs:// there.")


def is_installed() -> bool:
    """Whether Beam's part for Google Cloud is there, told by a library that nothing else brings."""
    return importlib.util.find_spec("apitools") is not None


def _read_by_workers(config: CorpusConfig) -> Iterator[tuple[str, str]]:
    yield "output", config.output
    for key, paths in (
        ("harvest.dumps", config.harvest.dumps),
        ("harvest.urls", config.harvest.urls),
        ("fetch.archives", config.fetch.archives),
        ("dedup.against", config.dedup.against),
        ("dedup.references", config.dedup.references),
    ):
        yield from ((key, path) for path in paths)
    if config.harvest.reddit is not None and config.harvest.reddit.folder:
        yield "harvest.reddit.folder", config.harvest.reddit.folder


def job_name(runner: Runner, output: str, step: str) -> str:
    """What a job is called: the same for the same step of the same run, so that Dataflow refuses a second one at once.

    step: of the run, in lower case. The beginning is `job_name` of the config, where it has one.
    """
    begin = str(runner.options.get("job_name") or "webtext")
    return f"{begin}-{hashlib.sha256(output.encode()).hexdigest()[:8]}-{step}"


def job_arguments(config: CorpusConfig, step: str) -> list[str]:
    """What Beam is told of a single job; nothing for other runners."""
    return [f"--job_name={job_name(config.runner, config.output, step)}"] if config.runner.name == NAME else []


def extraction_hints(config: CorpusConfig) -> Mapping[str, str]:
    """What a machine must have that extracts pages, as Beam's resource hints; nothing for other runners.

    Dataflow starts a Python process for each processor of a machine, and each has its child processes.
    """
    if config.runner.name != NAME:
        return {}
    machine = re.search(r"-(\d+)$", str(config.runner.options.get("machine_type") or ""))
    processes = int(machine[1]) if machine else 1
    children = config.extract.workers or config.runner.worker_cores or processes
    each = PROCESS_BYTES + children * config.extract.memory_bytes
    return {"min_ram": f"{math.ceil(processes * each / GIB)}GiB", "cpu_count": str(processes)}


def goes_on(config: CorpusConfig, step: str) -> str:
    """What a user must know who stops the command while it waits for a job."""
    return (
        f"Dataflow's job {job_name(config.runner, config.output, step)}, if it has begun, goes on alone: "
        "wait for its end before the same command, or cancel it with gcloud dataflow jobs cancel."
    )


def sentence(error: Exception) -> str | None:
    """What a failure to send a job means, for the user; None for any other failure."""
    words = " ".join(str(error).split())
    if type(error).__name__ == _ACTIVE:
        return (
            f"{words.rstrip('.')}: {_AT_WORK}; wait for its end, or cancel it with gcloud "
            "dataflow jobs cancel, and run the same command again."
        )
    if words.startswith(_MISTAKES):
        return f"runner.options: {words.removeprefix(_MISTAKES).strip()}"
    return None


def awaits_a_job(sentence_of_failure: str) -> bool:
    """Whether a run failed only because one of its jobs is still active, so that the same command will do later."""
    return _AT_WORK in sentence_of_failure


def plan(config: CorpusConfig, arguments: Sequence[str] = ()) -> list[str]:
    """The options that jobs are sent with, a line each."""
    service = Service(config.runner, arguments)
    options = {**service.options(), **dict(_named(arguments))}
    lines = [f"{'':<12}{name}={_shown(value)}" for name, value in sorted(options.items())]
    return [*lines, f"{'':<12}job_name={job_name(config.runner, config.output, 'STAGE')}"]


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)

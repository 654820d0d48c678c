"""The runner: what it needs that webtext does not bring along."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.doctor.findings import Finding, ok, problem, warning

LEAST_JAVA = 11
"""Beam gives its job server options that Java 8 does not know."""
DEFAULT_MASTERS = {"spark": "local[4]", "flink": "[auto]"}
DATAFLOW_OPTIONS = ("project", "region", "temp_location")
_MASTER_OPTIONS = {"spark": "spark_master_url", "flink": "flink_master"}
_JAR_OPTIONS = {"spark": "spark_job_server_jar", "flink": "flink_job_server_jar"}
_OWN_MASTER = re.compile(r"local(\[.+\])?|\[local\]|\[auto\]")
_JAR_FOLDER = Path("~/.apache_beam/cache/jars")
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


class Software(NamedTuple):
    """What is on this machine. java: its major version, 0 where it does not say, None where it is not there. docker:
    whether it is there. jars: names of Beam's jars that were downloaded. google: whether Beam's Google part is there.
    credentials: whether Google's are."""

    java: int | None = None
    docker: bool = False
    jars: tuple[str, ...] = ()
    google: bool = False
    credentials: bool = False


def look(options: Mapping[str, Any]) -> Software:
    """This machine's. options: the config's runner.options."""
    folder = _JAR_FOLDER.expanduser()
    return Software(
        java=java_version(str(options.get("job_server_java_launcher") or "java")),
        docker=shutil.which("docker") is not None,
        jars=tuple(sorted(path.name for path in folder.glob("*.jar"))) if folder.is_dir() else (),
        google=_is_there("google.cloud.storage"),
        credentials=has_google_credentials(os.environ),
    )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def has_google_credentials(environment: Mapping[str, str]) -> bool:
    """Whether Google's libraries find a file of credentials, by their variable or where gcloud leaves it."""
    named = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    home = environment.get("CLOUDSDK_CONFIG") or Path("~/.config/gcloud").expanduser()
    return Path(named or Path(home) / "application_default_credentials.json").is_file()


def java_version(launcher: str) -> int | None:
    """The major version of a Java, 0 where it does not say; None where there is none."""
    path = shutil.which(launcher)
    if path is None:
        return None
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stderr + said.stdout)
    return int(found[1]) if found else 0


def check(name: str, options: Mapping[str, Any], found: Software, *, output_is_local: bool) -> Iterator[Finding]:
    """Whether a runner has what it needs.

    options: runner.options. output_is_local: whether the output is a path of this machine.
    """
    if name == "direct":
        yield ok("runner", "direct: this process, which needs nothing more.")
        return
    if name == "dataflow":
        yield from _dataflow(options, found)
        own_machine = False
    else:
        yield from _portable(name, options, found)
        own_machine = bool(_OWN_MASTER.fullmatch(_master(name, options)))
    if output_is_local and not own_machine:
        yield warning(
            "runner", "output is a local path, and workers on other machines cannot write there unless it is shared: "
            "give one that all of them reach (gs://, s3://, hdfs://)."
        )  # fmt: skip


def _master(name: str, options: Mapping[str, Any]) -> str:
    return str(options.get(_MASTER_OPTIONS[name]) or DEFAULT_MASTERS[name])


def _portable(name: str, options: Mapping[str, Any], found: Software) -> Iterator[Finding]:
    if found.java is None:
        yield problem("runner", f"{name} needs Java, which is not on the path: install Java 17, or name one in "
                                "runner.options.job_server_java_launcher.")  # fmt: skip
    elif 0 < found.java < LEAST_JAVA:
        yield problem("runner", f"{name} needs Java {LEAST_JAVA} or newer, and this is {found.java}: install Java 17.")
    else:
        yield ok("runner", f"{name}: Java {found.java or 'of an unknown version'} is there.")
    yield from _job_server(name, str(options.get(_JAR_OPTIONS[name]) or ""), found)
    on_docker = not options.get("environment_type") and not _OWN_MASTER.fullmatch(_master(name, options))
    if (on_docker or options.get("environment_type") == "DOCKER") and not found.docker:
        yield problem(
            "runner", "workers would run in containers, and docker is not on the path: install it there and on the "
            "workers' machines, or set runner.options.environment_type."
        )  # fmt: skip


def _job_server(name: str, jar: str, found: Software) -> Iterator[Finding]:
    if jar:
        if "://" not in jar and not Path(jar).is_file():
            yield problem("runner", f"{_JAR_OPTIONS[name]} names {jar}, which is not there: correct the path.")
    elif not any(f"runners-{name}" in each for each in found.jars):
        yield warning(
            "runner", f"Beam will download its job server for {name} when it starts (about 300 MB): where the net "
            f"cannot be reached, name the file in runner.options.{_JAR_OPTIONS[name]}."
        )  # fmt: skip


def _dataflow(options: Mapping[str, Any], found: Software) -> Iterator[Finding]:
    missing = [option for option in DATAFLOW_OPTIONS if not options.get(option)]
    if missing:
        yield problem("runner", f"dataflow needs runner.options.{' and runner.options.'.join(missing)}: set them.")
    if not found.google:
        yield problem("runner", "dataflow needs Beam's Google part: pip install 'apache-beam[gcp]'.")
    if not found.credentials:
        yield problem("runner", "dataflow needs credentials of Google: gcloud auth application-default login.")
    if not missing and found.google and found.credentials:
        yield ok("runner", "dataflow: its options, libraries and credentials are there.")

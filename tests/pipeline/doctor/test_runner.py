from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.doctor import runner
from pipeline.doctor.findings import State
from pipeline.doctor.runner import Software

ALL = Software(17, True, ("beam-runners-spark-3-job-server-2.77.0.jar", "beam-runners-flink-1.20.jar"), True, True)
GOOGLE = {"project": "p", "region": "r", "temp_location": "gs://b/tmp"}


def states(name: str, options: Mapping[str, Any], found: Software, local: bool = False) -> set[State]:
    return {finding.state for finding in runner.check(name, options, found, output_is_local=local)}


@pytest.mark.parametrize(("name", "options"), [("direct", {}), ("spark", {}), ("flink", {}), ("dataflow", GOOGLE)])
def test_nothing_is_missing(name: str, options: Mapping[str, Any]) -> None:
    assert states(name, options, ALL) == {State.OK}


@pytest.mark.parametrize(
    ("name", "options", "found", "words"),
    [
        ("spark", {}, ALL._replace(java=None), "install Java 17"),
        ("flink", {}, ALL._replace(java=8), "this is 8"),
        ("spark", {"spark_job_server_jar": "/no/such.jar"}, ALL, "/no/such.jar"),
        ("flink", {"flink_master": "cluster:8081"}, ALL._replace(docker=False), "docker"),
        ("spark", {"environment_type": "DOCKER"}, ALL._replace(docker=False), "docker"),
        ("dataflow", {"project": "p"}, ALL, "region and runner.options.temp_location"),
        ("dataflow", GOOGLE, ALL._replace(google=False), "apache-beam[gcp]"),
        ("dataflow", GOOGLE, ALL._replace(credentials=False), "credentials"),
    ],
)
def test_what_is_missing(name: str, options: Mapping[str, Any], found: Software, words: str) -> None:
    findings = list(runner.check(name, options, found, output_is_local=False))
    assert [words in finding.sentence for finding in findings if finding.state is State.PROBLEM] == [True]


def test_a_job_server_that_is_to_be_downloaded() -> None:
    assert State.WARNING in states("spark", {}, ALL._replace(jars=()))


@pytest.mark.parametrize(
    ("name", "options", "warned"),
    [
        ("spark", {}, False),
        ("spark", {"spark_master_url": "local[*]"}, False),
        ("spark", {"spark_master_url": "spark://cluster:7077"}, True),
        ("flink", {"flink_master": "cluster:8081"}, True),
        ("dataflow", GOOGLE, True),
    ],
)
def test_an_output_that_other_machines_do_not_see(name: str, options: Mapping[str, Any], warned: bool) -> None:
    assert (State.WARNING in states(name, options, ALL, local=True)) is warned


@pytest.mark.parametrize(
    ("words", "version"), [('openjdk version "17.0.9" 2023', 17), ('java version "1.8.0_392"', 8), ("what?", 0)]
)
def test_versions_of_java(tmp_path: Path, words: str, version: int) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\n")
    java.chmod(0o755)
    assert runner.java_version(str(java)) == version


def test_no_java(tmp_path: Path) -> None:
    assert runner.java_version(str(tmp_path / "java")) is None


def test_credentials_of_google(tmp_path: Path) -> None:
    assert not runner.has_google_credentials({"CLOUDSDK_CONFIG": str(tmp_path)})
    (tmp_path / "application_default_credentials.json").write_text("{}")
    assert runner.has_google_credentials({"CLOUDSDK_CONFIG": str(tmp_path)})
    assert not runner.has_google_credentials(
        {"CLOUDSDK_CONFIG": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "other")}
    )

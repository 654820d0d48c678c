import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Runner
from pipeline.doctor import runner
from pipeline.doctor.findings import Finding, State
from pipeline.doctor.machine import GIB, Memory
from pipeline.doctor.runner import Software

ALL = Software((), 17, docker=True, worker=True, google=True, credentials=True)
GOOGLE = {"project": "p", "region": "r", "temp_location": "gs://b/tmp", "sdk_container_image": "i"}
CLUSTER = {"spark_master_url": "spark://cluster:7077"}


def check(chosen: Runner, found: Software, free: int = 8, local: bool = False) -> list[Finding]:
    return list(runner.check(chosen, found, Memory(64 * GIB, free * GIB), output_is_local=local))


@pytest.mark.parametrize(
    ("name", "options"), [("direct", {}), ("spark", {}), ("spark", CLUSTER), ("flink", {}), ("dataflow", GOOGLE)]
)
def test_nothing_is_missing(name: Any, options: dict[str, Any]) -> None:
    assert [finding.state for finding in check(Runner(name=name, options=options), ALL)] == [State.OK]


@pytest.mark.parametrize(
    ("name", "options", "found", "words"),
    [
        ("spark", {}, ALL._replace(missing=("run make job-server.",)), "make job-server"),
        ("flink", {}, ALL._replace(java=8), "this is 8"),
        ("spark", {"environment_type": "DOCKER"}, ALL._replace(docker=False), "docker"),
        ("spark", CLUSTER, ALL._replace(worker=False), "webtext-worker"),
        (
            "dataflow",
            {"project": "p"},
            ALL,
            "region and runner.options.temp_location and runner.options.sdk_container_image",
        ),
        ("dataflow", GOOGLE, ALL._replace(google=False), "webtext[corpus,gcp,remote]"),
        ("dataflow", GOOGLE, ALL._replace(credentials=False), "credentials"),
    ],
)
def test_what_is_missing(name: Any, options: dict[str, Any], found: Software, words: str) -> None:
    (finding,) = check(Runner(name=name, options=options), found)
    assert finding.state is State.PROBLEM
    assert words in finding.sentence


def test_a_heap_that_does_not_fit() -> None:
    assert check(Runner(name="spark", memory="9g"), ALL)[0].state is State.PROBLEM
    assert runner.heap_bytes("512M") == 512 * 2**20


@pytest.mark.parametrize(
    ("name", "options", "warned"),
    [
        ("spark", {}, False),
        ("spark", {"spark_master_url": "local[4]"}, False),
        ("spark", CLUSTER, True),
        ("flink", {"flink_master": "cluster:8081"}, True),
        ("dataflow", GOOGLE, True),
    ],
)
def test_an_output_that_other_machines_do_not_see(name: Any, options: dict[str, Any], warned: bool) -> None:
    states = {finding.state for finding in check(Runner(name=name, options=options), ALL, local=True)}
    assert (State.WARNING in states) is warned


def test_this_machine_is_asked_for_java_and_the_job_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = runner.look(Runner(name="spark", job_server=str(tmp_path / "none.jar")))
    assert len(found.missing) == 2
    assert "Java" in found.missing[0]
    assert "none.jar" in found.missing[1]
    assert runner.look(Runner(name="spark", options={"job_endpoint": "there:8099"})).missing == ()


@pytest.mark.parametrize(
    ("words", "version"), [('openjdk version "17.0.9" 2023', 17), ('java version "1.8.0_392"', 8), ("what?", 0)]
)
def test_versions_of_java(tmp_path: Path, words: str, version: int) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\n")
    java.chmod(0o755)
    assert runner.java_version(str(java)) == version


def test_no_java(tmp_path: Path) -> None:
    assert runner.java_version(str(tmp_path / "java")) == 0


def test_credentials_of_google(tmp_path: Path) -> None:
    assert not runner.has_google_credentials({"CLOUDSDK_CONFIG": str(tmp_path)})
    (tmp_path / "application_default_credentials.json").write_text("{}")
    assert runner.has_google_credentials({"CLOUDSDK_CONFIG": str(tmp_path)})
    assert not runner.has_google_credentials(
        {"CLOUDSDK_CONFIG": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "other")}
    )

"""How job servers are started, what Beam is told of them, and what is said where something is missing."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline import engines
from pipeline.config import Runner
from pipeline.engines import environment, flink, java, spark
from webtext.errors import UserError


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Java, a Spark and a job server, as far as can be seen from outside."""
    for folder in ("bin", "spark/jars"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin" / "java").touch(mode=0o755)
    (tmp_path / "server.jar").touch()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    return tmp_path


def runner(installed: Path, name: str, **keys: Any) -> Runner:
    return Runner.model_validate({"name": name, "job_server": str(installed / "server.jar"), **keys})


def line(command: spark.Command | flink.Command) -> list[str]:
    return list(command.line(1234, Path("/scratch")))


def test_sparks_job_server(installed: Path) -> None:
    words = line(spark.Command(runner(installed, "spark", memory="3g", java_options=["-Dspark.x=1", "-Xmx9g"]), 1000))
    assert words[0] == str(installed / "bin" / "java")
    assert "-XX:+ExitOnOutOfMemoryError" in words
    assert words.index("-Xmx3g") < words.index("-Xmx9g"), "the user's options come last, for Java takes the last"
    assert words.index("-Dspark.default.parallelism=1000") < words.index("-Dspark.x=1")
    assert words[words.index("-cp") + 1] == f"{installed}/server.jar:{installed}/spark/jars/*"
    assert words[-5:] == [
        *("--job-port=1234", "--artifact-port=0", "--expansion-port=0", "--artifacts-dir=/scratch"),
        "--spark-master-url=local[*]",
    ]


def test_yarn_is_told_by_hadoops_configuration(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop/conf")
    words = line(spark.Command(runner(installed, "spark", options={"spark_master_url": "yarn"}), 1))
    assert words[words.index("-cp") + 1].endswith("/jars/*:/etc/hadoop/conf")


@pytest.mark.parametrize(
    ("parts", "processors", "pieces"), [(4, 2, 2), (8, 2, 2), (9, 2, 9), (10**6, 2, 2000), (4, 0, 4), (0, 0, 1)]
)
def test_shuffles_are_cut_by_the_size_of_the_input(parts: int, processors: int, pieces: int) -> None:
    assert spark.pieces(parts, processors) == pieces


def test_the_user_may_say_how_finely(installed: Path) -> None:
    command = spark.Command(runner(installed, "spark", partitions=5), 10**6)
    assert "-Dspark.default.parallelism=5" in line(command)


def test_flinks_job_server(installed: Path, tmp_path: Path) -> None:
    command = flink.Command(runner(installed, "flink", options={"flink_master": "host:8081"}), 17)
    assert line(command)[-1] == "--flink-master=host:8081"
    assert "parallelism" not in command.options(tmp_path), "a cluster knows its size"
    assert flink.Command(runner(installed, "flink"), 1).options(tmp_path)["parallelism"] == 1


def test_on_this_machine_workers_are_threads_and_nothing_is_staged(installed: Path, tmp_path: Path) -> None:
    local = runner(installed, "spark")
    options = spark.Command(local, 1).options(tmp_path)
    assert options["environment_type"] == "LOOPBACK"
    assert options["environment_cache_millis"] == environment.CACHE_MILLISECONDS
    assert options["storage_level"] == "MEMORY_AND_DISK"
    staged = options["files_to_stage"]
    assert isinstance(staged, list)
    assert [zipfile.ZipFile(each).namelist() for each in staged] == [[]]
    assert engines.in_this_process(local)


def test_on_a_cluster_workers_are_processes_of_this_environment(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = runner(installed, "spark", options={"spark_master_url": "spark://host:7077"})
    monkeypatch.chdir(tmp_path)
    options = spark.Command(cluster, 1).options(tmp_path)
    assert options["environment_type"] == "PROCESS"
    assert options["files_to_stage"] == [str(installed / "server.jar")]
    started = json.loads(str(options["environment_config"]))
    assert Path(started["command"]).name == "webtext-worker"
    assert started["env"] == {"WEBTEXT_WORKING_FOLDER": str(tmp_path)}
    assert not engines.in_this_process(cluster)


def test_what_the_config_says_of_workers_stands(installed: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "environment_type": "EXTERNAL",
        "environment_config": "host:50000",
        "environment_cache_millis": 7,
    }
    options = spark.Command(runner(installed, "spark", options=given), 1).options(tmp_path)
    assert {name: options[name] for name in given} == given
    assert not engines.in_this_process(runner(installed, "spark", options=given))


def test_missing_java_is_a_sentence(installed: Path) -> None:
    (installed / "bin" / "java").unlink()
    with pytest.raises(UserError, match="Flink needs Java"):
        flink.Command(runner(installed, "flink"), 1)


def test_a_missing_job_server_is_a_sentence(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java.sys, "prefix", str(installed))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="run make job-server"):
        spark.Command(Runner(name="spark"), 1)
    with pytest.raises(UserError, match=r"runner.job_server: there is no file none\.jar"):
        spark.Command(Runner(name="spark", job_server="none.jar"), 1)


def test_a_missing_spark_is_a_sentence(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_HOME", str(installed))
    with pytest.raises(UserError, match="it has no folder jars"):
        spark.Command(runner(installed, "spark"), 1)
    monkeypatch.delenv("SPARK_HOME")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"there is no Spark.*requirements/spark\.txt"):
        spark.Command(runner(installed, "spark"), 1)


def test_a_job_server_that_runs_already_is_left_to_run(tmp_path: Path) -> None:
    given: dict[str, Any] = {"job_endpoint": "host:8099", "environment_type": "DOCKER"}
    with engines.ready(Runner(name="spark", options=given), 1, tmp_path) as engine:
        assert engine.options() == given
        assert engine.obituary(interrupted=False) is None
    assert list(tmp_path.iterdir()) == []

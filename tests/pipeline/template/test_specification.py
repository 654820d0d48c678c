"""`webtext template`: what it writes, and what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pipeline import arguments
from pipeline.template import launcher
from pipeline.template.specification import specification
from webtext import command

IMAGE = "europe-west4-docker.pkg.dev/project-123/webtext/worker:1"


def written(path: Path, *options: str) -> Any:
    assert command.main(["template", str(path), *options]) == 0
    return json.loads(path.read_text())


def test_the_image_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "webtext.json"
    template = written(file, f"--sdk_container_image={IMAGE}")
    assert capsys.readouterr().out == f"{file}\n"
    assert (template["image"], template["sdkInfo"]) == (IMAGE, {"language": "PYTHON"})
    assert set(template["metadata"]) == {"name", "description", "parameters"}
    environment = {"machineType": "e2-standard-2", "numWorkers": 1, "maxWorkers": 1, "sdkContainerImage": IMAGE}
    assert template["defaultEnvironment"] == environment


def test_it_is_written_far_away_and_carries_what_holds_for_the_job(tmp_path: Path) -> None:
    network = ("--network=net", "--subnetwork", "regions/europe-west4/subnetworks/s", "--no_use_public_ips")
    account = "--service_account_email=w@project-123.iam.gserviceaccount.com"
    options = ["--temp_location=gs://bucket/tmp", account, *network, f"--sdk_container_image={IMAGE}"]
    assert command.main(["template", "memory://templates/webtext.json", *options]) == 0
    environment = json.loads(fsspec.open("memory://templates/webtext.json").open().read())["defaultEnvironment"]
    assert environment["tempLocation"] == "gs://bucket/tmp"
    assert environment["serviceAccountEmail"] == "w@project-123.iam.gserviceaccount.com"
    assert (environment["network"], environment["subnetwork"]) == ("net", "regions/europe-west4/subnetworks/s")
    assert environment["ipConfiguration"] == "WORKER_IP_PRIVATE"


def test_a_runners_file_gives_what_the_command_line_does_not(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    options = f"{{sdk_container_image: {IMAGE}, temp_location: 'gs://a/tmp', use_public_ips: false, machine_type: m}}"
    file.write_text(f"name: dataflow\noptions: {options}\n")
    template = written(tmp_path / "t.json", "--runner", str(file), "--temp_location=gs://b/tmp")
    assert template["image"] == IMAGE
    environment = template["defaultEnvironment"]
    assert (environment["tempLocation"], environment["ipConfiguration"]) == ("gs://b/tmp", "WORKER_IP_PRIVATE")
    assert environment["machineType"] == "e2-standard-2"  # the file's is for the run's own jobs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "webtext template needs the image: give --sdk_container_image="),
        (["--sdk_container_image=i", "--temp_location=/tmp"], "temp_location = /tmp: Dataflow wants"),
        (["--sdk_container_image=i", "--max_num_workers=9"], "does not keep --max_num_workers: give it to each run"),
        (["--sdk_container_image=i", "--min_carma=9"], "does not keep --min_carma"),
        (["--runner", "spark"], "--runner spark: a template is Dataflow's"),
        (["--runner", "dataflou"], "--runner dataflou: there is no file"),
    ],
)
def test_a_mistake_is_a_sentence(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["template", str(tmp_path / "t.json"), *options]) == command.USER_ERROR
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert words in told
    assert not list(tmp_path.iterdir())


def test_only_json_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["template", str(tmp_path), f"--sdk_container_image={IMAGE}"]) == command.USER_ERROR
    assert "writes a .json file" in capsys.readouterr().err


def test_every_parameter_is_one_that_the_launcher_takes() -> None:
    template = specification({"sdk_container_image": IMAGE})
    parameters = {each["name"]: each for each in template["metadata"]["parameters"]}
    of_launcher = {action.dest for action in launcher._parser()._actions} - {"help"}
    assert set(parameters) == of_launcher | {"sdk_container_image"}
    assert [name for name, each in parameters.items() if not each.get("isOptional")] == ["config"]
    for name in ("config", "output"):
        (pattern,) = parameters[name]["regexes"]
        assert re.fullmatch(pattern, "gs://bucket/a/b.yaml")
        assert not re.fullmatch(pattern, "runs/sample")
    assert (arguments.RUNNERS / "dataflow.yaml").is_file()

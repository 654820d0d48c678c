"""The template's job as Dataflow would be given it, and the template's file as Dataflow would read it; offline."""

import json
from pathlib import Path
from typing import Any

import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import DebugOptions, GoogleCloudOptions, WorkerOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.internal import apiclient
from google.cloud import dataflow_v1beta3

from pipeline.engines import dataflow
from pipeline.template import launcher
from pipeline.template.driver import COMMAND, Drive
from pipeline.template.specification import specification
from tests.pipeline.graphs import Graph
from webtext import command

IMAGE = "europe-west4-docker.pkg.dev/project-123/webtext/worker:1"
OF_THE_JOB = (
    *("--runner=DataflowRunner", "--project=project-123", "--region=europe-west4", "--job_name=webtext-2017"),
    *("--temp_location=gs://bucket/tmp", "--staging_location=gs://staging/staging", f"--sdk_container_image={IMAGE}"),
    *("--max_num_workers=7", "--machine_type=e2-standard-2", "--no_auth"),
    '--labels={"goog-dataflow-provided-template-type": "flex"}',
)
WORDS = ("--config", "gs://bucket/my.yaml", "--set", "output=gs://bucket/run")


@pytest.fixture(autouse=True)
def nobody_asks_google(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda *_: None)


def test_the_job_is_one_step_on_one_worker() -> None:
    pipeline = launcher.pipeline(WORDS, [*OF_THE_JOB, "--dry_run=True"])
    pipeline.run()
    graph = Graph(pipeline.runner.proto_pipeline)
    assert {step.name for step in graph.steps()} == {"Begin", "Drive"}
    assert not graph.grouped()
    worker = pipeline.options.view_as(WorkerOptions)
    assert (worker.num_workers, worker.max_num_workers, worker.autoscaling_algorithm) == (1, 1, "NONE")
    assert (worker.machine_type, worker.sdk_container_image) == ("e2-standard-2", IMAGE)
    debug = pipeline.options.view_as(DebugOptions)
    assert debug.number_of_worker_harness_threads == 1
    assert "no_use_multiple_sdk_containers" in debug.experiments
    assert "use_multiple_sdk_containers" not in debug.experiments
    cloud = pipeline.options.view_as(GoogleCloudOptions)
    assert (cloud.job_name, cloud.staging_location) == ("webtext-2017", "gs://staging/staging")


def test_with_a_template_location_the_job_is_written_and_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: dict[str, bytes] = {}
    stage_file = apiclient.DataflowApplicationClient.stage_file

    def keep(self: Any, folder: str, name: str, stream: Any, *more: Any) -> None:
        if folder.startswith("gs://"):
            staged[f"{folder}/{name}"] = stream.read()
        else:
            stage_file(self, folder, name, stream, *more)

    monkeypatch.setattr(apiclient.DataflowApplicationClient, "stage_file", keep)
    monkeypatch.setattr(
        apiclient.DataflowApplicationClient, "submit_job_description", lambda *_: pytest.fail("a job was sent")
    )
    config, job_file = tmp_path / "my.yaml", tmp_path / "job_object"
    config.write_text("output: gs://bucket/run\nharvest: {dumps: ['gs://bucket/RS_*']}\n")
    parameters = [f"--config={config}", "--arguments=--set harvest.min_karma=5 --max_num_workers=50"]
    assert launcher.main([*parameters, *OF_THE_JOB, f"--template_location={job_file}"]) == 0
    job = json.loads(job_file.read_text())
    assert job["name"] == "webtext-2017"
    (pool,) = [pool for pool in job["environment"]["workerPools"] if pool["kind"] == "harness"]
    assert (pool["numWorkers"], pool["autoscalingSettings"]["maxNumWorkers"], pool["numThreadsPerWorker"]) == (1, 1, 1)
    assert pool["autoscalingSettings"]["algorithm"] == "AUTOSCALING_ALGORITHM_NONE"
    assert [each["containerImage"] for each in pool["sdkHarnessContainerImages"]] == [IMAGE]
    # What this program's own file defines would be another thing on the worker.
    assert not any("pickled_main_session" in place for place in staged)
    command_line = step_of(staged[job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]])
    assert command_line[: len(COMMAND)] == COMMAND
    assert command_line[-3:] == ("--set", "harvest.min_karma=5", "--max_num_workers=50")
    assert "--sdk_container_image=" + IMAGE in command_line


def step_of(pipeline: bytes) -> tuple[str, ...]:
    """The command of a pipeline's one DoFn, unpickled as a worker would."""
    transforms = beam_runner_api_pb2.Pipeline.FromString(pipeline).components.transforms.values()
    (payload,) = [each.spec.payload for each in transforms if each.spec.urn == "beam:transform:pardo:v1"]
    function = beam_runner_api_pb2.ParDoPayload.FromString(payload).do_fn.payload
    drive = pickler.loads(function)[0]
    assert isinstance(drive, Drive)
    return drive._command


def test_the_command_that_the_job_runs_passes_its_own_checks(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("output: gs://bucket/run\nharvest: {dumps: ['gs://bucket/RS_*']}\n")
    given, options = launcher._parser().parse_known_args([f"--config={config}", *OF_THE_JOB])
    words = launcher.corpus_arguments(given, options)
    assert dataflow.is_installed()
    launcher.check(words)
    assert command.parse(["corpus", *words])[0].runner == "dataflow"
    for option in ("template_location", "job_name", "machine_type", "max_num_workers", "labels"):
        assert not any(word.startswith(f"--{option}") for word in words)


def test_the_templates_file_is_a_container_spec_of_dataflows() -> None:
    options = {
        "sdk_container_image": IMAGE,
        "temp_location": "gs://bucket/tmp",
        "staging_location": "gs://bucket/staging",
        "service_account_email": "worker@project-123.iam.gserviceaccount.com",
        "network": "net",
        "subnetwork": "regions/europe-west4/subnetworks/s",
        "dataflow_kms_key": "projects/project-123/locations/l/keyRings/r/cryptoKeys/k",
        "no_use_public_ips": "",
    }
    spec = dataflow_v1beta3.ContainerSpec.from_json(
        json.dumps(specification(options))
    )  # refuses a field that there is not
    assert spec.sdk_info.language == dataflow_v1beta3.SDKInfo.Language.PYTHON
    environment = spec.default_environment
    assert environment.ip_configuration == dataflow_v1beta3.WorkerIPAddressConfiguration.WORKER_IP_PRIVATE
    assert (environment.num_workers, environment.max_workers) == (1, 1)
    optional = {each.name for each in spec.metadata.parameters if each.is_optional}
    assert optional == {"output", "arguments", "sdk_container_image"}
    assert [each.name for each in spec.metadata.parameters if each.regexes] == ["config", "output"]

"""The jobs as Dataflow would be given them, translated without network or credentials."""

from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, SetupOptions, WorkerOptions
from apache_beam.portability.api import beam_runner_api_pb2

from pipeline.config import CorpusConfig
from pipeline.engines import dataflow
from pipeline.runners import new_pipeline
from tests.pipeline.graphs import GROUP_BY_KEY, Graph, fill, transforms
from webtext import settings

IMAGE = "europe-west4-docker.pkg.dev/project-123/webtext/worker:1"
OFFLINE = ["--dry_run=True", "--no_auth"]
JOBS = ("links", "pages", "documents", "references", "duplicates", "corpus")


@pytest.fixture(scope="module")
def config() -> CorpusConfig:
    overrides = [
        "output=gs://bucket/run",
        "runner.options.project=project-123",
        "runner.options.region=europe-west4",
        "runner.options.temp_location=gs://bucket/tmp",
        f"runner.options.sdk_container_image={IMAGE}",
    ]
    return settings.load(CorpusConfig, None, overrides, {"runner": "configs/runners/dataflow.yaml"})


@pytest.fixture(autouse=True)
def nobody_asks_for_a_metadata_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.mark.parametrize("job", JOBS)
def test_every_job_translates(config: CorpusConfig, job: str) -> None:
    hints = dataflow.extraction_hints(config)
    arguments = [*OFFLINE, *dataflow.job_arguments(config, job)]
    engine = dataflow.Service(config.runner, arguments)
    transform = transforms("memory://run", (), hints)[job]  # building reads what references a run has
    pipeline = fill(new_pipeline(config.runner, arguments, engine), transform)
    pipeline.run()
    proto = pipeline.runner.proto_pipeline
    given, graph = Graph(proto), Graph(pipeline.to_runner_api())
    left_out = set(graph.names()) - set(given.names())
    assert set(given.names()) <= set(graph.names())
    assert not [name for name in left_out if not name.endswith("/MaybeReshuffle")]  # of one element, which does nothing
    assert given.side_inputs() == graph.side_inputs()
    assert {step.name for step in given.steps() if step.urn == GROUP_BY_KEY} == set(graph.grouped())
    assert all(key.is_deterministic() for key, _ in given.grouped().values())
    assert _images(proto) == {IMAGE}
    wanting = {step.name: sorted(step.hints) for step in given.steps() if step.hints}
    asked = ["beam:resources:cpu_count:v1", "beam:resources:min_ram_bytes:v1"]
    assert wanting == ({"Extract": asked} if job == "documents" else {})
    cloud = pipeline.options.view_as(GoogleCloudOptions)
    assert cloud.job_name == dataflow.job_name(config.runner, "gs://bucket/run", job)
    assert cloud.staging_location == "gs://bucket/tmp/staging"
    assert (cloud.project, cloud.region, cloud.labels) == ("project-123", "europe-west4", ["webtext=corpus"])
    worker = pipeline.options.view_as(WorkerOptions)
    assert (worker.machine_type, worker.disk_size_gb, worker.max_num_workers) == ("n2-standard-4", 50, 20)
    assert pipeline.options.view_as(SetupOptions).sdk_location == "container"


def _images(proto: beam_runner_api_pb2.Pipeline) -> set[str]:
    return {
        beam_runner_api_pb2.DockerPayload.FromString(environment.payload).container_image
        for environment in proto.components.environments.values()
        if environment.urn == "beam:env:docker:v1"
    }


def test_the_command_line_wins(config: CorpusConfig) -> None:
    arguments = [*OFFLINE, "--region=us-east1", "--machine_type", "n2-highmem-8", "--temp_location=gs://bucket/other"]
    options = new_pipeline(config.runner, arguments, dataflow.Service(config.runner, arguments)).options
    cloud = options.view_as(GoogleCloudOptions)
    assert (cloud.region, cloud.temp_location) == ("us-east1", "gs://bucket/other")
    assert cloud.staging_location == "gs://bucket/other/staging"
    assert options.view_as(WorkerOptions).machine_type == "n2-highmem-8"


def test_the_template_names_every_option_that_has_no_default(config: CorpusConfig) -> None:
    assert Path("configs/runners/dataflow.yaml").is_file()
    dataflow.check(config)

"""What is said before anything is sent to Dataflow, and what jobs are sent with."""

from typing import Any

import apache_beam as beam
import pytest

from pipeline import run
from pipeline.config import CorpusConfig
from pipeline.engines import dataflow
from tests.conftest import CHECKOUT
from webtext import settings
from webtext.errors import UserError

IMAGE = "europe-west4-docker.pkg.dev/project-123/webtext/worker:1"
OPTIONS = {"project": "project-123", "region": "europe-west4", "temp_location": "gs://bucket/tmp"}
GIVEN = {**OPTIONS, "sdk_container_image": IMAGE}


def config(given: dict[str, Any] = GIVEN, *overrides: str) -> CorpusConfig:
    options = [f"runner.options.{name}={value}" for name, value in given.items()]
    file = str(CHECKOUT / "configs" / "runners" / "dataflow.yaml")
    return settings.load(CorpusConfig, None, ["output=s3://bucket/run", *options, *overrides], {"runner": file})


@pytest.mark.parametrize("missing", dataflow.REQUIRED)
def test_an_option_without_default_is_asked_for(missing: str) -> None:
    without = {name: value for name, value in GIVEN.items() if name != missing}
    with pytest.raises(UserError, match=rf"needs {missing}: set runner\.options\.{missing} .* or give --{missing} "):
        dataflow.check(config(without))
    with pytest.raises(UserError, match=r"needs project, region, temp_location, sdk_container_image: "):
        run.build(config({}))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["runner.options.temp_location=/tmp"], r"temp_location = /tmp: .* gs://"),
        (["runner.options.template_location=gs://bucket/t"], r"template_location: .* webtext template writes one"),
        (["fetch.live=true", "fetch.contact=a@example.org"], r"fetch\.live asks the web from one machine"),
        (["fetch.fallbacks=[wayback]", "fetch.contact=a@example.org"], r"fetch\.fallbacks asks the web"),
        (["output=runs/sample"], r"output: .* cannot reach runs/sample"),
        (["output=memory://run"], r"output: .* cannot reach memory://run"),
        (["harvest.dumps=[samples/submissions/RS_*]"], r"harvest\.dumps: .* samples/submissions"),
        (["harvest.urls=[file:///urls.txt]"], r"harvest\.urls: .* file:///urls\.txt"),
        (["fetch.archives=[samples/archives/*]"], r"fetch\.archives: "),
        (["dedup.against=[/releases/1]"], r"dedup\.against: "),
        (["dedup.references=[wiki.parquet]"], r"dedup\.references: "),
    ],
)
def test_what_workers_cannot_do_or_reach_is_refused(overrides: list[str], words: str) -> None:
    for begin in (run.build, run.plan):
        with pytest.raises(UserError, match=words):
            begin(config(GIVEN, *overrides))


@pytest.mark.skipif(dataflow.is_installed(), reason="Beam's part for Google Cloud is here")
def test_without_beams_part_for_google_it_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"pip install 'webtext\[corpus,gcp,remote\]'"):
        run.build(config())


def test_the_command_line_may_give_what_the_config_does_not() -> None:
    arguments = ["--project", "project-123", "--region=europe-west4", "--temp_location=gs://other/tmp", "--dry_run"]
    service = dataflow.Service(config({"sdk_container_image": IMAGE}).runner, arguments)
    assert set(dataflow.REQUIRED) <= set(service.given())
    options = service.options()
    assert options["staging_location"] == "gs://other/tmp/staging"
    assert not {"project", "region", "temp_location", "dry_run"} & set(options)
    assert (options["sdk_location"], options["machine_type"]) == ("container", "n2-standard-4")


def test_a_job_has_one_name_for_a_step_of_a_run() -> None:
    runner = config().runner
    names = {
        dataflow.job_name(runner, output, step) for output in ("gs://b/1", "gs://b/2") for step in ("links", "pages")
    }
    assert len(names) == 4
    assert dataflow.job_name(runner, "gs://b/1", "links") in names
    assert all(name.replace("-", "").isalnum() and name.islower() for name in names)
    called = config({**GIVEN, "job_name": "monthly"})
    assert dataflow.job_arguments(called, "links")[0].startswith("--job_name=monthly-")
    assert "job_name" not in dataflow.Service(called.runner).options()
    assert dataflow.job_arguments(CorpusConfig(output="run"), "links") == []


@pytest.mark.parametrize(
    ("overrides", "hints"),
    [
        ([], {"min_ram": "12GiB", "cpu_count": "4"}),
        (["runner.options.machine_type=n2-highmem-16"], {"min_ram": "48GiB", "cpu_count": "16"}),
        (["extract.workers=3"], {"min_ram": "28GiB", "cpu_count": "4"}),
        (["runner.options.machine_type=custom"], {"min_ram": "3GiB", "cpu_count": "1"}),
        (["runner.name=direct"], {}),
    ],
)
def test_extraction_wants_memory_for_each_process_and_its_children(overrides: list[str], hints: dict[str, str]) -> None:
    assert dataflow.extraction_hints(config(GIVEN, *overrides)) == hints


def test_failures_to_send_are_sentences() -> None:
    class DataflowJobAlreadyExistsError(Exception):
        pass

    active = DataflowJobAlreadyExistsError("There is already active job named webtext-1-links.")
    assert "cancel it with gcloud" in str(dataflow.sentence(active))
    assert dataflow.awaits_a_job(str(dataflow.sentence(active)))
    mistake = ValueError("Pipeline has validations errors: \nInvalid Project ID (p).")
    assert dataflow.sentence(mistake) == "runner.options: Invalid Project ID (p)."
    assert not dataflow.awaits_a_job(str(dataflow.sentence(mistake)))
    assert dataflow.sentence(ValueError("a defect")) is None


def test_the_plan_shows_what_jobs_are_sent_with() -> None:
    lines = [line.strip() for line in dataflow.plan(config(), ["--region=us-east1"])]
    for line in (
        *("region=us-east1", "machine_type=n2-standard-4", "max_num_workers=20", "disk_size_gb=50"),
        *("staging_location=gs://bucket/tmp/staging", f"sdk_container_image={IMAGE}", "labels=webtext=corpus"),
        "number_of_worker_harness_threads=2",
    ):
        assert line in lines


def test_who_stops_the_command_is_told_of_the_job_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt("Ctrl-C")

    monkeypatch.setattr("pipeline.runners.execute", stopped)
    with pytest.raises(KeyboardInterrupt):
        run.Run(config())._execute(beam.Create([1]), "links")
    assert f"{dataflow.job_name(config().runner, 's3://bucket/run', 'links')}, if it has begun, goes on" in caplog.text
    caplog.clear()
    with pytest.raises(KeyboardInterrupt):
        run.Run(CorpusConfig(output="run"))._execute(beam.Create([1]), "links")
    assert not caplog.text

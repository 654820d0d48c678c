"""From the template's parameters to the command line of `webtext corpus`, which the real command then understands."""

import shlex
from typing import NamedTuple

import fsspec
import pytest

from pipeline import cli
from pipeline.config import CorpusConfig
from pipeline.engines import dataflow
from pipeline.template import launcher
from webtext import command
from webtext.errors import UserError

IMAGE = "europe-west4-docker.pkg.dev/project-123/webtext/worker:1"
ACCOUNT = "worker@project-123.iam.gserviceaccount.com"
CONFIG = "memory://template-test/my config.yaml"
OF_THE_JOB = (
    "--runner=DataflowRunner --project=project-123 --region=europe-west4 --job_name=webtext-2017 "
    "--temp_location=gs://bucket/tmp --staging_location=gs://dataflow-staging/staging "
    "--template_location=gs://dataflow-staging/staging/template_launches/1/job_object "
    f"--sdk_container_image={IMAGE} --service_account_email={ACCOUNT} --machine_type=e2-standard-2 "
    "--num_workers=1 --max_num_workers=1 --subnetwork=regions/europe-west4/subnetworks/s "
    "--additional_thing=1"
).split()
"""As Google's launcher gives them, and one that Beam does not know."""


class Understood(NamedTuple):
    config: CorpusConfig
    options: dict[str, object]
    """What the run's jobs would be sent with."""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataflow, "is_installed", lambda: True)
    with fsspec.open(CONFIG, "w") as file:
        file.write("output: s3://bucket/runs/of-config\nharvest: {min_karma: 4, dumps: ['s3://bucket/RS_*']}\n")


def words(*parameters: str, options: list[str] = OF_THE_JOB) -> list[str]:
    given, rest = launcher._parser().parse_known_args([f"--config={CONFIG}", *parameters, *options])
    return launcher.corpus_arguments(given, rest)


def understood(*parameters: str, options: list[str] = OF_THE_JOB) -> Understood:
    """By what the command itself does first."""
    line = words(*parameters, options=options)
    launcher.check(line)
    given, beam_arguments = command.parse(["corpus", *line])
    config = cli.config_of(given, beam_arguments)
    service = dataflow.Service(config.runner, beam_arguments)
    return Understood(config, {**service.options(), **dict(dataflow._named(beam_arguments))})


def test_the_runs_jobs_are_sent_as_the_runners_file_says_from_where_this_job_is() -> None:
    found = understood()
    assert found.config.output == "s3://bucket/runs/of-config"
    assert (found.config.runner.name, found.config.harvest.min_karma) == ("dataflow", 4)
    assert found.options == {
        "project": "project-123",
        "region": "europe-west4",
        "temp_location": "gs://bucket/tmp",
        "staging_location": "gs://bucket/tmp/staging",
        "sdk_container_image": IMAGE,
        "service_account_email": ACCOUNT,
        "subnetwork": "regions/europe-west4/subnetworks/s",
        "sdk_location": "container",
        "machine_type": "n2-standard-4",
        "max_num_workers": 20,
        "autoscaling_algorithm": "THROUGHPUT_BASED",
        "disk_size_gb": 50,
        "number_of_worker_harness_threads": 2,
        "labels": ["webtext=corpus"],
    }
    assert dataflow.job_arguments(found.config, "links")[0].startswith("--job_name=webtext-")


def test_whoever_starts_the_template_has_the_last_word() -> None:
    more = (
        "--set harvest.min_karma=7 --set 'harvest.blocked_domains=[a.example, \"b c\"]' --max_num_workers=50 "
        "--machine_type n2-highmem-8 --temp_location=gs://other/tmp --until pages"
    )
    found = understood("--output=s3://bucket/runs/2017", f"--arguments={more}")
    assert (found.config.output, found.config.harvest.min_karma) == ("s3://bucket/runs/2017", 7)
    assert found.config.harvest.blocked_domains == ("a.example", "b c")
    assert (found.options["max_num_workers"], found.options["machine_type"]) == ("50", "n2-highmem-8")
    assert found.options["temp_location"] == "gs://other/tmp"
    assert found.options["staging_location"] == "gs://other/tmp/staging"


def test_private_addresses_are_handed_on() -> None:
    assert words(options=[*OF_THE_JOB, "--no_use_public_ips"])[-1] == "--no_use_public_ips"
    assert "no_use_public_ips" in understood(options=[*OF_THE_JOB, "--no_use_public_ips"]).options
    assert "no_use_public_ips" not in understood().options


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (["--arguments=--set harvest.min_carma=3"], r"unknown key harvest\.min_carma: did you mean min_karma\?"),
        (["--arguments=--max_workers=3"], r"neither webtext nor Beam knows --max_workers"),
        (["--arguments=--set 'harvest.min_karma=3"], r"the parameter arguments is not quoted as for a shell \(No clos"),
        (["--output=runs/sample"], r"output: Dataflow's workers cannot reach runs/sample"),
        (["--arguments=--template_location=gs://b/t"], r"template_location: a template is one job.*webtext template"),
        (["--arguments=--set fetch.live=true --set fetch.contact=a@b.example"], r"fetch\.live asks the web"),
        (["--config=memory://template-test/none.yaml"], r"cannot read the config memory://template-test/none\.yaml"),
    ],
)
def test_a_mistake_is_found_before_a_worker_is_paid_for(
    parameters: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(launcher, "pipeline", lambda *_: pytest.fail("the job was begun"))
    with pytest.raises(UserError, match=sentence):
        understood(*parameters)
    monkeypatch.setattr("webtext.logs.set_up", lambda *_, **__: None)
    assert launcher.main([f"--config={CONFIG}", *parameters, *OF_THE_JOB]) == command.USER_ERROR
    assert caplog.records[-1].levelname == "ERROR"


@pytest.mark.parametrize("missing", dataflow.REQUIRED)
def test_without_what_the_runs_jobs_need_nothing_is_begun(missing: str) -> None:
    options = [option for option in OF_THE_JOB if not option.startswith(f"--{missing}=")]
    with pytest.raises(UserError, match=f"the runner dataflow needs {missing}: .* or give --{missing} "):
        understood(options=options)


def test_a_dry_run_of_the_command_takes_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    line = words("--output=memory://template-test/run", "--arguments=--runner direct --set harvest.dumps=[] --dry-run")
    with fsspec.open("memory://template-test/urls.txt", "w") as file:
        file.write("http://a.example/\n")
    more = ["--set", "harvest.urls=['memory://template-test/urls.txt']"]
    assert command.main(["corpus", *line, *more]) == 0, shlex.join(line)
    said = capsys.readouterr().out.splitlines()
    assert [row.split(maxsplit=1) for row in said[:2]] == [
        ["output", "memory://template-test/run"],
        ["runner", "direct"],
    ]
    assert said[2].startswith("links       would run on 1 input file")

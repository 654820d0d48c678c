"""What the Flex Template does on its worker, with everything far away: from its parameters to a finished stage."""

import json
from collections.abc import Iterator

import apache_beam as beam
import pytest

from pipeline.config import Runner
from pipeline.runners import new_pipeline
from pipeline.template import launcher
from pipeline.template.driver import COMMAND, Drive
from tests.integration.s3 import BUCKET, Server

CONFIG = f"s3://{BUCKET}/configs/my.yaml"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.put("configs/my.yaml", f"harvest: {{urls: ['s3://{BUCKET}/urls.txt'], min_karma: 4}}\n".encode())
    server.put("urls.txt", b"http://a.example.com/\nhttp://b.example.org/\n")
    yield server
    server.close()


def test_a_run_is_driven_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    more = "--runner direct --until links --set harvest.min_karma=6"  # this machine, in place of Dataflow's
    parameters = [f"--config={CONFIG}", f"--output=s3://{BUCKET}/run", f"--arguments={more}"]
    of_the_job = ["--runner=DataflowRunner", "--project=p", "--region=r", "--job_name=j", "--template_location=t"]
    given, options = launcher._parser().parse_known_args([*parameters, *of_the_job])
    with new_pipeline(Runner()) as pipeline:
        pipeline | beam.Impulse() | beam.ParDo(Drive([*COMMAND, *launcher.corpus_arguments(given, options)]))
    assert "run/links/_SUCCESS" in server.keys("run/")
    manifest = json.loads(server.get("run/links/manifest.json"))
    assert manifest["config"]["min_karma"] == 6
    assert sum(output["rows"] for output in manifest["outputs"]) == 2

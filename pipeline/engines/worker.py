"""`webtext-worker`: a Beam worker as a process of its own, for engines that start one where they need it.

Spark's and Flink's executors (environment PROCESS), Beam's worker pools (`--container_executable`) and containers all
begin a worker by the same protocol: a program is given an id and addresses, and asks at one of them for the rest.
"""

import argparse
import contextlib
import os
import threading
import time
from collections.abc import Mapping, Sequence

import grpc
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc, endpoints_pb2
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, text_format

from pipeline import harness
from pipeline.engines.environment import WORKING_FOLDER

SECONDS_BETWEEN_LOOKS = 1
SECONDS_TO_ANSWER = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Work until whoever started this process ends it or dies."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    folder = os.environ.get(WORKING_FOLDER)
    if folder:
        with contextlib.suppress(OSError):  # another machine has other folders, and then paths are not relative
            os.chdir(folder)
    given = _parse(arguments)
    os.environ.update(_environment(given, _ask(given)))
    harness.prepare()
    sdk_worker_main.main([])


def _end_with(parent: int) -> None:
    """Linux can do this by itself, but goes by the parent's thread, and Java's come and go."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="webtext-worker", description="A Beam worker, started by Spark or Flink.")
    parser.add_argument("--id", required=True, help="the worker's name")
    parser.add_argument("--provision_endpoint", required=True, help="where to ask for all else")
    for name in ("control", "logging", "artifact"):
        parser.add_argument(f"--{name}_endpoint", default="")
    parser.add_argument("--semi_persist_dir", default="")
    return parser.parse_known_args(arguments)[0]


def _ask(given: argparse.Namespace) -> beam_provision_api_pb2.ProvisionInfo:
    with grpc.insecure_channel(given.provision_endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        who = (("worker_id", given.id),)
        return service.GetProvisionInfo(request, timeout=SECONDS_TO_ANSWER, metadata=who, wait_for_ready=True).info


def _environment(given: argparse.Namespace, info: beam_provision_api_pb2.ProvisionInfo) -> Mapping[str, str]:
    """What `sdk_worker_main` reads."""
    return {
        "WORKER_ID": given.id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
        "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(given.control_endpoint or info.control_endpoint.url),
        "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(given.logging_endpoint or info.logging_endpoint.url),
    }


def _descriptor(address: str) -> str:
    return str(text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=address)))


if __name__ == "__main__":
    main()

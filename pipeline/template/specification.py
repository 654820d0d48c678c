"""The template's file: which image it starts, what whoever starts it may say, and what holds if nothing is said.

Its fields are those of ContainerSpec in Dataflow's API.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.engines import dataflow
from webtext.errors import UserError

PLACES = "^(gs|s3)://.+$"
MACHINE = "e2-standard-2"
"""Of the one worker: it waits for most of the time."""

TAKEN = {
    "temp_location": "tempLocation",
    "staging_location": "stagingLocation",
    "service_account_email": "serviceAccountEmail",
    "network": "network",
    "subnetwork": "subnetwork",
    "dataflow_kms_key": "kmsKeyName",
    "sdk_container_image": "sdkContainerImage",
}
"""Options of Beam's that a template can have values for, and what it calls them."""
IMAGE = "sdk_container_image"
WITHOUT_PUBLIC_ADDRESSES = "no_use_public_ips"
"""A switch: on the command line it has no value."""

PARAMETERS = [
    {
        "name": "config",
        "label": "Config",
        "helpText": "The YAML file of webtext corpus --config, for example gs://my-bucket/webtext.yaml.",
        "regexes": [PLACES],
    },
    {
        "name": "output",
        "label": "Run directory",
        "helpText": "Where the run is written, in place of the config's output. A run that was begun there goes on.",
        "isOptional": True,
        "regexes": [PLACES],
    },
    {
        "name": "arguments",
        "label": "More of the command",
        "helpText": "Further options of webtext corpus, quoted as for a shell, among them Beam's for the run's own "
        "jobs: --set harvest.min_karma=5 --max_num_workers=50 --machine_type=n2-standard-8",
        "isOptional": True,
    },
    {
        "name": IMAGE,
        "label": "Image",
        "helpText": "The image of all workers, where it is not the template's own.",
        "isOptional": True,
    },
]


def specification(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the template's file holds. options: Beam's, by name; those in `TAKEN` count.

    Raises UserError where there is no image.
    """
    image = options.get(IMAGE)
    if not image:
        raise UserError(
            f"webtext template needs the image: give --{IMAGE}=REGION-docker.pkg.dev/PROJECT/webtext/worker:1, as it "
            "was built from Dockerfile."
        )
    if options.get("temp_location"):
        dataflow.check_temp_location(options["temp_location"])
    environment = {name: options[option] for option, name in TAKEN.items() if options.get(option)}
    if options.get(WITHOUT_PUBLIC_ADDRESSES, False) is not False or options.get("use_public_ips") is False:
        environment["ipConfiguration"] = "WORKER_IP_PRIVATE"
    return {
        "image": image,
        "sdkInfo": {"language": "PYTHON"},
        "metadata": {
            "name": "webtext corpus",
            "description": "Builds a text corpus. This job is the command; it sends the run's own jobs one by one.",
            "parameters": PARAMETERS,
        },
        "defaultEnvironment": {"machineType": MACHINE, "numWorkers": 1, "maxWorkers": 1, **environment},
    }

"""Where things lie: read from the environment of Airflow's processes, so that no DAG file is changed to deploy it.

Relative paths begin at `WEBTEXT_DIRECTORY`. The defaults are those of a checkout in which `make setup` was called.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What differs from place to place; DAG params have these as their defaults."""

    directory: str
    """Where commands are started."""
    command: str
    """The `webtext` of an environment that is not Airflow's."""
    releases: str
    """Holds a run for each month, `2013-05`; its release is `2013-05/corpus`."""
    first_month: str
    """The first month that there is a release of."""
    last_month: str
    """The last one that is scheduled; empty: it goes on every month."""
    dumps: str
    """A folder of monthly dumps, `RS_2013-05.zst` and so on."""
    corpus_config: str
    """The config of monthly releases."""
    models: str
    """Holds a training run for each release."""
    train_config: str
    """The config of training."""
    reddit: str
    """The run that gathers new posts and their pages from day to day."""
    reddit_config: str
    """Its config: `harvest.reddit`, `fetch.live` and `fetch.contact`."""
    retry_seconds: float
    """Until the first retry of a failed task; later ones wait longer."""
    look_seconds: float
    """Between looks for the releases of earlier months. Airflow loses its way when it is only a few seconds."""


def found_in(variables: Mapping[str, str] = os.environ) -> Settings:
    """The settings that `WEBTEXT_*` variables describe."""
    directory = variables.get("WEBTEXT_DIRECTORY") or str(CHECKOUT)

    def path(name: str, default: str) -> str:
        return absolute(variables.get(f"WEBTEXT_{name}") or default, directory)

    return Settings(
        directory=directory,
        command=path("COMMAND", ".venv/bin/webtext"),
        releases=path("RELEASES", "runs/releases"),
        first_month=variables.get("WEBTEXT_FIRST_MONTH") or "2005-06",
        last_month=variables.get("WEBTEXT_LAST_MONTH") or "",
        dumps=path("DUMPS", "dumps"),
        corpus_config=path("CORPUS_CONFIG", "configs/corpus/webtext.yaml"),
        models=path("MODELS", "runs/models"),
        train_config=path("TRAIN_CONFIG", "configs/train/gpt2.yaml"),
        reddit=path("REDDIT", "runs/reddit"),
        reddit_config=path("REDDIT_CONFIG", "configs/corpus/reddit.yaml"),
        retry_seconds=float(variables.get("WEBTEXT_RETRY_SECONDS") or 300),
        look_seconds=float(variables.get("WEBTEXT_LOOK_SECONDS") or 300),
    )


def absolute(path: str, directory: str) -> str:
    """A path as every process understands it; addresses such as `gs://bucket/folder` stay as they are."""
    return path if "://" in path else str(Path(directory) / path)

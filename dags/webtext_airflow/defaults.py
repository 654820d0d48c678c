"""What all tasks have in common, and the params that several DAGs ask for."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from webtext_airflow.settings import Settings

RUNNERS = ("direct", "spark-local", "spark", "flink", "dataflow")

CORPUS_POOL = "webtext_corpus"
"""Work for all cores of a machine, or for a cluster."""
TRAINING_POOL = "webtext_training"
"""Work for all GPUs of a machine."""
WEB_POOL = "webtext_web"
"""Waits for Reddit and for other people's servers."""


def default_args(found: Settings, pool: str) -> dict[str, Any]:
    """Owner, retries with growing pauses, a timeout and a pool: a task without its own has these."""
    return {
        "owner": "webtext",
        "retries": 3,
        "retry_delay": timedelta(seconds=found.retry_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(hours=2),
        "execution_timeout": timedelta(minutes=30),
        "pool": pool,
    }


def path(default: str, description: str) -> Param:
    """A file or a folder, or anything that fsspec reads."""
    return Param(default, type="string", minLength=1, description=description)


def overrides(example: str) -> Param:
    """Keys of a config that a run changes."""
    return Param(
        [],
        type="array",
        items={"type": "string", "pattern": r"^[a-z_]+(\.[a-z_]+)*="},
        description=f"KEY=VALUE of the config, for example {example}",
    )


def options(config: str | None, *sets: str) -> list[str]:
    """`--config` and `--set` of a command; of two values for a key the last holds."""
    return [*(["--config", config] if config else []), *(part for each in sets for part in ("--set", each))]

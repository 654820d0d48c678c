"""Tests on real engines: minutes of work, so only `make test-spark` collects them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SAMPLE, Webtext, webtext
from tests.integration.shards import shards
from tests.spark.cluster import Cluster, cluster
from tests.spark.flink_cluster import session_cluster

__all__ = ["webtext"]

collect_ignore_glob = [] if os.environ.get("WEBTEXT_ENGINES") else ["test_*.py"]

Shards = dict[str, str]


@pytest.fixture(scope="session")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers of one core and 2 GB."""
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def flink_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a session cluster of two slots."""
    with session_cluster(tmp_path_factory.mktemp("flink")) as address:
        yield address


@pytest.fixture(scope="session")
def sample_shards(tmp_path_factory: pytest.TempPathFactory, webtext: Webtext) -> Shards:
    """What the local runner makes of the sample."""
    run = tmp_path_factory.mktemp("sample") / "run"
    done = webtext(*SAMPLE, "--set", f"output={run}")
    assert done.returncode == 0, done.stderr
    return shards(run)


@pytest.fixture(scope="session")
def world(shared_data: Path) -> tuple[str, ...]:
    """The command on the real web."""
    folder = shared_data / "world"
    return (
        *("corpus", "--config", "configs/corpus/webtext.yaml", "--set", "fetch.live=false"),
        *("--set", f'harvest.dumps=["{folder}/submissions/RS_*.zst"]'),
        *("--set", f'fetch.archives=["{folder}/pages-*.warc.gz"]'),
    )


@pytest.fixture(scope="session")
def world_shards(tmp_path_factory: pytest.TempPathFactory, webtext: Webtext, world: tuple[str, ...]) -> Shards:
    """What the local runner makes of the real web."""
    run = tmp_path_factory.mktemp("world") / "run"
    done = webtext(*world, "--set", f"output={run}")
    assert done.returncode == 0, done.stderr
    return shards(run)

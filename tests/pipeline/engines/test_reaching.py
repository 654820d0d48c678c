"""A cluster that is not there is found out at once."""

import socket
from collections.abc import Iterator

import pytest

from pipeline.engines import reaching
from webtext.errors import UserError


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "named", ["spark://127.0.0.1:{}", "127.0.0.1:{}", "http://127.0.0.1:{}", "spark://127.0.0.1:1,127.0.0.1:{}"]
)
def test_one_that_answers_is_enough(named: str, open_port: int) -> None:
    reaching.require("Spark", named.format(open_port), "key")


def test_none_that_answers_is_a_sentence(closed_port: int) -> None:
    with pytest.raises(UserError, match=rf"no Flink answers at 127\.0\.0\.1:{closed_port}: .*with runner\.x"):
        reaching.require("Flink", f"127.0.0.1:{closed_port}", "runner.x")


@pytest.mark.parametrize("named", ["yarn", "local[*]", "[local]", "[auto]", "mesos"])
def test_what_is_no_address_is_not_looked_for(named: str) -> None:
    reaching.require("Spark", named, "key")

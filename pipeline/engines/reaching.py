"""Whether a cluster is there: Spark tries for a minute to find its master, and then says so in a hundred lines."""

import contextlib
import re
import socket
from collections.abc import Sequence

from webtext.errors import UserError

SECONDS_TO_ANSWER = 10
ADDRESS = re.compile(r"(?P<host>\[[^]]+\]|[^/:,]+):(?P<port>\d+)")


def require(engine: str, named: str, key: str) -> None:
    """Connect to one of the addresses in `named`, such as spark://one:7077,other:7077.

    key: of the config, that names it. What has no host and port is no address, and is not looked for.
    Raises UserError where none answers.
    """
    addresses: Sequence[tuple[str, str]] = ADDRESS.findall(named)
    for host, port in addresses:
        with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER):
            return
    if addresses:
        raise UserError(f"no {engine} answers at {named}: start the cluster, or name another with {key}.")

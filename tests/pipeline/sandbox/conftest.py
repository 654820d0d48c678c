from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.sandbox import Sandbox
from tests.pipeline import sandbox_tasks as tasks
from tests.pipeline.sandbox.pools import QUICK


@pytest.fixture(scope="module")
def pool() -> Iterator[Sandbox[Any, Any]]:
    with Sandbox(tasks.act, QUICK) as sandbox:
        yield sandbox

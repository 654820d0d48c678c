"""Where pools are made: a one-liner, a script, a module, standard input, a Beam worker; and what an item costs."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox import Done, Limits, Sandbox
from tests.pipeline import sandbox_tasks as tasks
from tests.pipeline.sandbox.pools import environment


def test_a_pool_works_from_a_one_liner_a_script_a_module_and_standard_input(tmp_path: Path) -> None:
    """No `if __name__ == "__main__"` anywhere: children do not run the caller's main module."""
    code = (
        "import operator, sys\nfrom pipeline.sandbox import Sandbox, Limits\n"
        "print([v.value for _, v in Sandbox(operator.neg, Limits(workers=1)).map([(0, 3)])])\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    for arguments, text in ((["-c", code], ""), ([str(script)], ""), (["-m", "script"], ""), (["-"], code)):
        done = subprocess.run(
            [sys.executable, *arguments],
            input=text, capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout == "[-3]\n", arguments


def test_a_pool_works_in_a_beam_worker(pool: Sandbox[Any, Any]) -> None:
    beam = pytest.importorskip("apache_beam")
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
    from apache_beam.testing import util

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = pipeline | beam.Create([1, 2, 3]) | beam.Map(negate_in_a_sandbox)
        util.assert_that(found, util.equal_to([-1, -2, -3]))


def negate_in_a_sandbox(number: int) -> Any:
    with Sandbox(tasks.negative, Limits(workers=1)) as sandbox:
        ((_, verdict),) = sandbox.map([(0, number)])
    assert isinstance(verdict, Done)
    return verdict.value


def test_an_item_costs_far_less_than_a_page() -> None:
    with Sandbox(tasks.act, Limits(workers=2)) as sandbox:
        list(sandbox.map([(0, ("echo", 1))]))
        started = time.process_time()
        count = sum(1 for _ in sandbox.map((key, ("echo", key)) for key in range(5000)))
        seconds = time.process_time() - started
    assert count == 5000
    assert seconds / count < 200e-6, f"{seconds / count * 1e6:.0f} µs of the parent's processor time an item"

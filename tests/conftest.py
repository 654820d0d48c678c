"""What many tests share: where the real material lies, when it is there."""

import importlib.util
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from webtext import logs

CHECKOUT = Path(__file__).resolve().parent.parent

if importlib.util.find_spec("hypothesis"):  # Airflow's environment is without it
    from hypothesis import settings

    settings.register_profile("patient", deadline=None)  # a slow machine is no failure
    settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material: `WEBTEXT_DATA`, or `shared/data` beside the checkout; skips where there is none."""
    folder = Path(os.environ.get("WEBTEXT_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real material at {folder}; set WEBTEXT_DATA to run this test")
    return folder


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Some tests call a command in this process, which sends its log to a stream of theirs: not for the next one."""
    yield
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    logging.getLogger("webtext").setLevel(logging.NOTSET)
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, logs.TextFormatter | logs.JsonFormatter):
            root.removeHandler(handler)

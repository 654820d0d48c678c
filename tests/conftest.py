"""What many tests share: where the real material lies, when it is there."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material: `WEBTEXT_DATA`, or `shared/data` beside the checkout; skips where there is none."""
    folder = Path(os.environ.get("WEBTEXT_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real material at {folder}; set WEBTEXT_DATA to run this test")
    return folder

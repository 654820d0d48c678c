"""Where real material lies."""

import os
from pathlib import Path


def shared_data() -> Path:
    """Where the tests look for it too: `WEBTEXT_DATA`, or shared/data beside the checkout."""
    checkout = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("WEBTEXT_DATA") or checkout.parent / "shared" / "data")

"""Makes the package `samples` importable: it lies beside the tests and is not installed."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))

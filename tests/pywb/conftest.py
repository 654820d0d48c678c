"""Tests on pywb, which has an environment of its own: only where WEBTEXT_PYWB names the folder of its programs."""

import os

collect_ignore_glob = [] if os.environ.get("WEBTEXT_PYWB") else ["test_*.py"]

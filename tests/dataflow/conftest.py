"""Tests for Dataflow's own environment (`make test-dataflow`); in any other there is nothing to collect."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("apitools") else ["test_*.py"]

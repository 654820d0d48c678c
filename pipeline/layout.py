"""Where things lie inside a stage's folder.

Arrow and Spark pass over names that begin with _ when a folder is opened as a dataset.
"""

LEDGER = "_ledger"
"""Ledger rows of the links that end in the stage: `links` and `documents` have it."""

PAGE_INDEX = "index"
"""The parts of the stage `pages`."""

SIGNATURES = "_signatures"
"""Of the documents in the folder: the same parts, the same rows in the same order."""

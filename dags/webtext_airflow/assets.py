"""What one DAG makes and another waits for."""

from airflow.sdk import Asset

CORPUS = Asset(
    name="webtext_corpus",
    uri="x-webtext://corpus",
    extra={"of": "monthly releases; an event's extra has release (its folder), manifest_sha256 and counters"},
)
"""A month's release: its events have the month as their partition."""

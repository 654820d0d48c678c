"""The corpus: from Reddit dumps and page archives to a published release. Never imports torch."""

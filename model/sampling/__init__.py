"""Text from a network: which token comes next, batches that grow with a cache, text that streams and stops."""

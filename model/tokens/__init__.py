"""tokens: a corpus as GPT-2 reads it, one long sequence of ids in files of `uint16`."""

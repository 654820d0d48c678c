"""Which documents are copies of which: exact ones by hash, near ones by measured similarity, and who of them stays."""

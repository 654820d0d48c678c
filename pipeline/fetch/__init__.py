"""Pages for links. Today from web archives at hand; every other source will answer links in the same way."""

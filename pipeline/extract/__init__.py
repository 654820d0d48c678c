"""From a page's bytes to a document's text: everything that is decided by looking at one page alone."""

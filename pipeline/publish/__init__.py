"""publish: from documents and what is known of every link to the release, its card and its report."""

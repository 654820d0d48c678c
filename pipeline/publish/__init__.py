"""publish: from documents and what is known of every link to the release, its card, its report, and a look into all of it."""

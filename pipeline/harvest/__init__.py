"""From Reddit's submission dumps and lists of URLs to links: one row for every page that enough people voted for."""

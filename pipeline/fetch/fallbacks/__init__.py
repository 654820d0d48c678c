"""Pages of links that are dead, from archives on the web: Common Crawl and the Wayback Machine."""

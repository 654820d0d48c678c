"""A small web, written for this project, and what builds its archives and dumps."""

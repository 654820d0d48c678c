"""What measures: each module prints a table of ratios against a bare baseline or a peer, taken in the same run."""

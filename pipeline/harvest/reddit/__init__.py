"""New posts from Reddit itself, through PRAW, as monthly dumps: the only part that looks at Reddit and at the clock."""

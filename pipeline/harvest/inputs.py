"""What the stage `links` is asked to do, from the config's section and the files that it names."""

import math

from pipeline.config import Harvest
from pipeline.harvest.blocklists import BlockLists, block_lists
from pipeline.harvest.rules import Rules

INPUT_BYTES_PER_PARTITION = 32 * 1024 * 1024
FEWEST_PARTITIONS = 4


def partitions_for(input_bytes: int) -> int:
    """In how many ranges the ids are cut: enough for one to be a small piece of work, the same for the same input."""
    return max(FEWEST_PARTITIONS, math.ceil(input_bytes / INPUT_BYTES_PER_PARTITION))


def rules_of(section: Harvest) -> Rules:
    """Which posts count."""
    return Rules(section.min_karma, section.karma_rule, section.before)


def lists_of(section: Harvest) -> BlockLists:
    """What is refused by its address or its subreddit. Raises UserError for a list that cannot be read or used."""
    return block_lists(section.blocked_domains, section.blocked_extensions, section.blocked_subreddits, section.allowed)

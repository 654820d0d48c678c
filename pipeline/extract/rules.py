"""What is asked of a page. Imports no parser: whoever only says what children are to do needs none."""

import dataclasses

DOUBT = 0.85
"""Promised F1 of the fast judge below which trafilatura is asked: about an eighth of real pages."""


@dataclasses.dataclass(frozen=True)
class ExtractRules:
    """What a page must be to become a document."""

    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes; empty for any language."""
    min_language_score: float = 0.5
    """Least share of the text that must be in the page's language."""
    min_words: int = 90
    """Least words of main text. OpenWebText's bound is 128 GPT-2 tokens; English has about 1.4 tokens a word with
    its punctuation."""
    honour_opt_out: bool = True
    opt_out_agents: tuple[str, ...] = ("webtext",)
    """Names under which a page may address us, beside everyone."""
    refuse_wikipedia: bool = True
    refuse_low_quality: bool = True
    doubt: float = DOUBT
    """Promised F1 of the fast judge below which trafilatura is asked too: 0 never (fastest), 1 always (slowest)."""

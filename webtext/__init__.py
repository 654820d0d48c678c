"""webtext: the WebText corpus and the GPT-2 models, rebuilt in the open."""

__version__ = "0.1.0"

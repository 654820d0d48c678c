"""A network as a Hugging Face folder: config, weights, tokenizer, and a card that says only what was measured."""

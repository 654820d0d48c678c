"""GPT-2: the tokenizer, the network, its training and its use. Knows the corpus only as Parquet files on disk."""

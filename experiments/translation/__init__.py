"""The translators: batches of sentence pairs, the nets, decoding, scores, the report."""

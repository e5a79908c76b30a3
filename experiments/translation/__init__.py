"""What the translators need: pairs as batches, the nets, decoding, scores, the report."""

"""What the taggers need: sentences as batches, the nets, scores, the report."""

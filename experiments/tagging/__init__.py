"""The taggers: batches of sentences, the nets, scores, the report."""

"""What the language models need: the net, text as batches, samples, reports."""

"""What the language models share: options and net, batches of text, samples, reports."""

"""The training loop and what belongs to it: the optimizers, checkpoints, metrics."""

"""Raw file -> NumPy arrays -> batches, one file per corpus; nothing in this package imports JAX."""

"""Raw file -> NumPy arrays -> batches, one file per corpus; nothing here knows of JAX."""

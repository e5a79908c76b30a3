"""Exports a trained net for use elsewhere: parameters as safetensors, and the forward pass."""

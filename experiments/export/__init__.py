"""A trained net for use elsewhere: parameters as safetensors, the forward function in a file."""

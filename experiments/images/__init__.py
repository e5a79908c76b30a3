"""What the image experiments share: losses, optimizers, reports."""

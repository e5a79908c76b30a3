"""Fully connected nets: the first rows of Fig. 9 of LeCun et al. 1998."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from .lenet import FullConnection, squash


class Perceptron(nn.Module):
    """Digits uint8 [B, 28, 28] to logits [B, C] through hidden layers of squashed units.

    Without hidden layers it is a linear classifier.
    """

    classes: int = 10
    hidden: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        xs = images.reshape(images.shape[0], -1) * jnp.float32(1.275 / 255) - 0.1
        for units in self.hidden:
            xs = squash(FullConnection(units)(xs))
        return FullConnection(self.classes)(xs)

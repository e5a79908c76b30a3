"""A convolutional net for digits as one would have written it in 2021.

The lecture's "more typical" net: LeNet-5's order of layers with rectified units, max-pooling,
batch normalisation, dropout and a softmax (Krizhevsky et al. 2012; Ioffe and Szegedy 2015;
Srivastava et al. 2014).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from .convolution import convolve


def _convolve_as_linen_asks(xs, kernel, *args, **options):
    return convolve(kernel, xs)


class ConvNet(nn.Module):
    """Digits uint8 [B, 28, 28] to logits [B, C].

    `train` turns dropout on and normalises by the batch's statistics, not the running averages.
    """

    classes: int = 10
    maps: tuple[int, ...] = (32, 64)
    units: int = 128
    dropout: float = 0.4

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        def normalised(xs):
            return nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.95)(xs))

        xs = images.astype(jnp.float32)[..., None] / 255  # [B, 28, 28, 1]
        for maps in self.maps:
            conv = nn.Conv(
                maps, (5, 5), padding="VALID", use_bias=False,
                conv_general_dilated=_convolve_as_linen_asks,
            )  # fmt: skip
            xs = normalised(max_pool(conv(xs)))
        xs = normalised(nn.Dense(self.units, use_bias=False)(xs.reshape(xs.shape[0], -1)))
        xs = nn.Dropout(self.dropout, deterministic=not train)(xs)
        return nn.Dense(self.classes)(xs)


def max_pool(xs: jax.Array) -> jax.Array:
    """The largest of each 2x2 of xs [B, H, W, C], in a form whose gradient XLA computes fast."""
    batch, height, width, maps = xs.shape
    return xs.reshape(batch, height // 2, 2, width // 2, 2, maps).max((2, 4))

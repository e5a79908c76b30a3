"""A convolutional net for digits as one would write it in 2021.

The lecture's "more typical" net: rectified units, max-pooling, batch normalisation, dropout and a
softmax. Its shape is LeNet-5's, convolution and subsampling twice and then full connections, with
two 3x3 convolutions in the place of one 5x5 (Simonyan and Zisserman 2015; Ioffe and Szegedy 2015;
Srivastava et al. 2014).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp


class ConvNet(nn.Module):
    """Digits uint8 [B, 28, 28] to logits [B, C].

    `train` turns dropout on, and normalises by the batch instead of the running averages.
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
            for _ in range(2):
                xs = normalised(nn.Conv(maps, (3, 3), use_bias=False)(xs))
            xs = nn.max_pool(xs, (2, 2), strides=(2, 2))
        xs = normalised(nn.Dense(self.units, use_bias=False)(xs.reshape(len(xs), -1)))
        xs = nn.Dropout(self.dropout, deterministic=not train)(xs)
        return nn.Dense(self.classes)(xs)

"""Autoencoders: nets that learn to give back their input through a narrow code.

    h_0 = x,  h_l = f(W_l h_{l-1} + b_l),  code = h_L        the encoder
    the same layers in reverse, with weights of their own    the decoder
    y = sigmoid(logits of the last layer)                    the reconstruction

8-3-8 is Mitchell's (Machine Learning, 1997, section 4.6.4), with a logistic code;
784-1000-500-250-30 that of Hinton and Salakhutdinov (Science, 2006), with a linear one.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import initializers

from .affine import init_linear, linear

Params = dict[str, Any]
UNITS = {
    "logistic": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "linear": lambda xs: xs,
}
# Variances that neither vanish nor explode through many layers: Glorot's for tanh, 16 times as
# large for the logistic function, whose slope at 0 is a quarter, and He's for ReLU.
GAINS = {"logistic": 16.0, "tanh": 1.0, "relu": 2.0, "linear": 1.0}


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """A net with `sizes` from the input to the code, and the same in reverse up to the output.

    `unit` is the function of the hidden layers and `code` that of the code's: a key of `UNITS`.
    """

    sizes: tuple[int, ...]
    unit: str = "logistic"
    code: str = "linear"

    def init(self, key: jax.Array) -> Params:
        """Parameters `encoder` and `decoder`, a linear layer for each pair of sizes."""
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        pairs += [(outputs, inputs) for inputs, outputs in reversed(pairs)]
        draw = initializers.variance_scaling(GAINS[self.unit], "fan_avg", "uniform")
        keys = jax.random.split(key, len(pairs))
        layers = [init_linear(k, *pair, draw) for k, pair in zip(keys, pairs, strict=True)]
        depth = len(self.sizes) - 1
        return {"encoder": tuple(layers[:depth]), "decoder": tuple(layers[depth:])}

    def hidden(self, params: Params, xs: jax.Array) -> list[jax.Array]:
        """Inputs [..., D] to the outputs of the encoder's layers, the code [..., K] the last."""
        hs: list[jax.Array] = []
        for layer in params["encoder"]:
            last = len(hs) == len(self.sizes) - 2
            xs = UNITS[self.code if last else self.unit](linear(layer, xs))
            hs.append(xs)
        return hs

    def encode(self, params: Params, xs: jax.Array) -> jax.Array:
        """Inputs [..., D] to codes [..., K]."""
        return self.hidden(params, xs)[-1]

    def decode(self, params: Params, codes: jax.Array) -> jax.Array:
        """Codes [..., K] to the logits of the reconstructions [..., D]."""
        *layers, last = params["decoder"]
        for layer in layers:
            codes = UNITS[self.unit](linear(layer, codes))
        return linear(last, codes)

    def logits(self, params: Params, xs: jax.Array) -> jax.Array:
        """Inputs [..., D] to the logits of their reconstructions [..., D]."""
        return self.decode(params, self.encode(params, xs))


def squared_error(logits: jax.Array, xs: jax.Array) -> jax.Array:
    """The squared error of reconstructions, summed over the last axis: [..., D] to [...]."""
    return jnp.square(jax.nn.sigmoid(logits) - xs).sum(-1)


def cross_entropy(logits: jax.Array, xs: jax.Array) -> jax.Array:
    """-x ln y - (1 - x) ln(1 - y) in nats, summed over the last axis: [..., D] to [...]."""
    return (jax.nn.softplus(logits) - xs * logits).sum(-1)


def mask(key: jax.Array, xs: jax.Array, share: float) -> jax.Array:
    """Masking noise: each input is 0 with probability `share` (Vincent et al. 2010)."""
    return jnp.where(jax.random.bernoulli(key, share, xs.shape), 0.0, xs)


def salt_and_pepper(key: jax.Array, xs: jax.Array, share: float) -> jax.Array:
    """Each input is, with probability `share`, 0 or 1 as a coin falls (Vincent et al. 2010)."""
    chosen, side = jax.random.split(key)
    coin = jax.random.bernoulli(side, 0.5, xs.shape).astype(xs.dtype)
    return jnp.where(jax.random.bernoulli(chosen, share, xs.shape), coin, xs)

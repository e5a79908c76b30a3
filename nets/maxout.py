"""Convolutional maxout: a unit is the largest of several linear pieces. | Goodfellow et al. 2013

    h_i = max_j (w_ij * x + b_ij)        j = 1 .. pieces

Layers of maxout maps, each followed by the largest value of overlapping squares, then a maxout
layer without weight sharing and a softmax; dropout before every layer. The pieces of a map lie
beside each other in a kernel [M, N, C, maps * pieces]: 0 and 1 are of the first map if there are
two. First weights are drawn from U(-0.005, 0.005) in the authors' program.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from .convolution import convolve

Params = dict[str, dict[str, jax.Array]]


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A layer of `maps` maxout maps and its pooling; the picture is padded with zeros."""

    maps: int
    kernel: int
    padding: int
    pool: int
    stride: int = 2


@dataclasses.dataclass(frozen=True)
class Maxout:
    """Colour images [B, side, side, C] to logits."""

    convolutions: tuple[Convolution, ...]
    units: int
    classes: int
    pieces: int = 2  # of a map
    unit_pieces: int = 5
    input_dropout: float = 0.2
    dropout: float = 0.5
    scale: float = 0.005  # of the first weights

    def init(self, key: jax.Array, side: int, channels: int) -> Params:
        """Parameters of `conv1`, `conv2`, ..., `dense` and `output`; biases are 0."""
        shapes: dict[str, tuple[int, ...]] = {}
        for number, layer in enumerate(self.convolutions, 1):
            outputs = layer.maps * self.pieces
            shapes[f"conv{number}"] = (layer.kernel, layer.kernel, channels, outputs)
            side, channels = pooled_side(layer, side), layer.maps
        shapes["dense"] = (side * side * channels, self.units * self.unit_pieces)
        shapes["output"] = (self.units, self.classes)
        keys = jax.random.split(key, len(shapes))
        return {
            name: {
                "weights": jax.random.uniform(k, shape, minval=-self.scale, maxval=self.scale),
                "bias": jnp.zeros(shape[-1]),
            }
            for k, (name, shape) in zip(keys, shapes.items(), strict=True)
        }

    def logits(self, params: Params, xs: jax.Array, key: jax.Array | None = None) -> jax.Array:
        """Whitened images [B, side, side, C] to logits [B, classes]; a key turns dropout on."""
        keys = [None] * (len(params)) if key is None else list(jax.random.split(key, len(params)))
        for number, layer in enumerate(self.convolutions, 1):
            xs = dropped(xs, self.input_dropout if number == 1 else self.dropout, keys.pop())
            xs = max_pooled(convolved(layer, params[f"conv{number}"], xs, self.pieces), layer)
        xs = dropped(xs.reshape(xs.shape[0], -1), self.dropout, keys.pop())
        dense, output = params["dense"], params["output"]
        xs = largest_piece(xs @ dense["weights"] + dense["bias"], self.unit_pieces)
        return dropped(xs, self.dropout, keys.pop()) @ output["weights"] + output["bias"]


def pooled_side(layer: Convolution, side: int) -> int:
    """The side of a layer's maps after pooling; raises ValueError if nothing is left."""
    after = side + 2 * layer.padding - layer.kernel + 1
    if after < layer.pool:
        raise ValueError(f"maps of {after}x{after} pixels cannot be pooled by {layer.pool}")
    return (after - layer.pool) // layer.stride + 1


def largest_piece(xs: jax.Array, pieces: int) -> jax.Array:
    """The largest of each `pieces` neighbours on the last axis: [..., N * pieces] to [..., N]."""
    return xs.reshape(*xs.shape[:-1], -1, pieces).max(-1)


def convolved(
    layer: Convolution, params: dict[str, jax.Array], xs: jax.Array, pieces: int
) -> jax.Array:
    """The maxout maps [B, H', W', maps] of xs [B, H, W, C], before pooling."""
    edge = (layer.padding, layer.padding)
    padded = jnp.pad(xs, [(0, 0), edge, edge, (0, 0)])
    return largest_piece(convolve(params["weights"], padded) + params["bias"], pieces)


def max_pooled(xs: jax.Array, layer: Convolution) -> jax.Array:
    """The largest of squares of `pool` pixels, `stride` apart: [B, H, W, C] to [B, H', W', C].

    Row by row and column by column, in a form whose gradient XLA computes fast.
    """
    for axis in (1, 2):
        end = xs.shape[axis] - layer.pool + 1
        shifted = [jax.lax.slice_in_dim(xs, n, end + n, layer.stride, axis)
                   for n in range(layer.pool)]  # fmt: skip
        xs = functools.reduce(jnp.maximum, shifted)
    return xs


def dropped(xs: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Dropout: each number is 0 with probability `rate`, the others grow to match."""
    if key is None or not rate:
        return xs
    return jnp.where(jax.random.bernoulli(key, 1 - rate, xs.shape), xs / (1 - rate), 0)


def within_norm(weights: jax.Array, most: float) -> jax.Array:
    """Weights whose norm over all that a unit reads is no more than `most`: max-norm."""
    axes = tuple(range(weights.ndim - 1))
    norms = jnp.sqrt((weights**2).sum(axes, keepdims=True))
    return weights * jnp.minimum(1, most / jnp.maximum(norms, 1e-12))

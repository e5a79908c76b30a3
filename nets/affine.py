"""Linear layers: x W + b over all rows at once, with each gradient as one matrix product."""

import math

import jax.numpy as jnp
from jax.nn import initializers

LECUN_NORMAL = initializers.lecun_normal()


def init_linear(key, inputs, outputs, draw=LECUN_NORMAL):
    """The parameters of a linear layer: `weights` [inputs, outputs], drawn, and `bias`, zeros."""
    return {"weights": draw(key, (inputs, outputs)), "bias": jnp.zeros(outputs)}


def linear(params, xs):
    """The layer of `init_linear` on xs [..., inputs]: [..., outputs]."""
    return affine(xs, params["weights"], params["bias"])


def affine(xs, w, b):
    """x W + b for xs [..., D], w [D, H] and b [H].

    The bias is the weight of an input that is always 1. Its gradient, the sum of the deltas over
    all rows, is then a product with a row of ones: XLA's CPU compiler is twenty times slower at
    the same sum written as a reduction over the leading axes.
    """
    rows = xs.reshape(math.prod(xs.shape[:-1]), xs.shape[-1])  # D may be 0: inputs that say nothing
    ys = rows @ w + jnp.ones((rows.shape[0], 1), xs.dtype) @ b[None]
    return ys.reshape(*xs.shape[:-1], w.shape[1])


def total(xs):
    """The sum of all rows, [..., H] -> [H], as a product."""
    rows = xs.reshape(-1, xs.shape[-1])
    return jnp.ones(len(rows), xs.dtype) @ rows

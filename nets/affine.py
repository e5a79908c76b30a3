"""Linear layers: x W + b over all rows at once, with each gradient as one matrix product."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import initializers

LECUN_NORMAL = initializers.lecun_normal()


def init_linear(
    key: jax.Array, inputs: int, outputs: int, draw: Callable[..., jax.Array] = LECUN_NORMAL
) -> dict[str, jax.Array]:
    """The parameters of a linear layer: `weights` [inputs, outputs], drawn, and `bias`, zeros."""
    return {"weights": draw(key, (inputs, outputs)), "bias": jnp.zeros(outputs)}


def linear(params: dict[str, Any], xs: jax.Array) -> jax.Array:
    """The layer of `init_linear` on xs [..., inputs]: [..., outputs]."""
    return affine(xs, params["weights"], params["bias"])


def affine(xs: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    """x W + b for xs [..., D], w [D, H] and b [H]: [..., H].

    The bias is the weight of an input that is always 1. Its gradient, the sum of the deltas over
    all rows, is then a product with a row of ones: XLA's CPU compiler is twenty times slower at
    the same sum written as a reduction over the leading axes.
    """
    rows = xs.reshape(math.prod(xs.shape[:-1]), xs.shape[-1])  # D may be 0
    ys = rows @ w + jnp.ones((rows.shape[0], 1), xs.dtype) @ b[None]
    return ys.reshape(*xs.shape[:-1], w.shape[1])


def total(xs: jax.Array) -> jax.Array:
    """The sum of all rows of xs [..., H] as a matrix product: [H]."""
    rows = xs.reshape(-1, xs.shape[-1])
    return jnp.ones(len(rows), xs.dtype) @ rows

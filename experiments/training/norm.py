"""The norm of a tree of arrays, which every step computes, and clipping gradients by it."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import optax

# Below this size the order of the additions makes no difference in time.
_MANY = 65_536
_SLICES = 8  # 16 take as long, 32 twice as long


def squares(x: jax.Array) -> jax.Array:
    """The sum of the squares of an array of any shape.

    XLA's CPU compiler adds one number after another, each addition waiting for the one before:
    4.2 ms for three million. Eight slices added elementwise are vectorised: 0.5 ms.
    """
    x = x.ravel()
    if x.size < _MANY:
        return jnp.vdot(x, x)
    whole = x.size - x.size % _SLICES
    slices = x[:whole].reshape(_SLICES, -1)
    rest = x[whole:]
    return functools.reduce(operator.add, [part * part for part in slices]).sum() + rest @ rest


def norm(tree: Any) -> jax.Array:
    """The root of the sum of all squares."""
    return jnp.sqrt(sum(squares(leaf) for leaf in jax.tree.leaves(tree)))


def clipped(grads: Any, limit: float) -> Any:
    """Gradients scaled to norm `limit` if theirs is larger (Pascanu, Mikolov, Bengio 2013)."""
    length = norm(grads)
    return jax.tree.map(lambda g: jnp.where(length < limit, g, g / length * limit), grads)


def clip_by_norm(limit: float) -> optax.GradientTransformation:
    """`clipped` as the first part of an optimiser."""
    return optax.stateless(lambda grads, _: clipped(grads, limit))

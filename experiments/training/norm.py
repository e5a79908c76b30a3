"""The norm of all of a net's numbers, which every step asks for, and gradients clipped by it."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import optax

# Below so many numbers the order of the additions costs nothing.
_MANY = 65_536
_SLICES = 8  # 16 take as long, 32 twice


def squares(x: jax.Array) -> jax.Array:
    """The sum of the squares of an array of any shape.

    XLA's CPU compiler adds one number after the other, and each addition waits for the one
    before it: 4.2 ms for three million. As eight slices added to one another it vectorises, 0.5 ms.
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
    """Gradients scaled to the norm `limit` if theirs is above (Pascanu, Mikolov, Bengio 2013)."""
    length = norm(grads)
    return jax.tree.map(lambda g: jnp.where(length < limit, g, g / length * limit), grads)


def clip_by_norm(limit: float) -> optax.GradientTransformation:
    """`clipped` as an optimiser's first part."""
    return optax.stateless(lambda grads, _: clipped(grads, limit))

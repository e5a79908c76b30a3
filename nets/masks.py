"""Masks [B] or [T, B] over arrays with more axes: true at real steps, false at padding."""

from typing import TypeVar

import jax
import jax.numpy as jnp

Tree = TypeVar("Tree")


def hold(keep: jax.Array, new: Tree, old: Tree) -> Tree:
    """`new` where the mask is true and `old` elsewhere, leaf by leaf."""
    return jax.tree.map(lambda n, o: jnp.where(_over(keep, n), n, o), new, old)


def blank(keep: jax.Array, x: Tree) -> Tree:
    """`x` where the mask is true and 0 elsewhere, leaf by leaf; NaN and infinity become 0 too."""
    return jax.tree.map(lambda leaf: jnp.where(_over(keep, leaf), leaf, 0), x)


def _over(keep: jax.Array, x: jax.Array) -> jax.Array:
    """`keep` with axes of length 1 at its end, so that it broadcasts over x."""
    return keep.reshape(keep.shape + (1,) * (x.ndim - keep.ndim))

"""Looking inside a recurrence: cells made from a cell, for `nets.unroll` as any other.

    Watched   gives out the carry and the gates of each step
    Nudged    adds something to the carry before each step: zeros, to differentiate by
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from .passes import passes_of
from .unroll import unroll


@dataclasses.dataclass(frozen=True)
class Watched:
    """A cell whose output is (carry, kept): `kept` are the gates, as `nets.passes` keeps them."""

    cell: Any

    def project(self, params, xs):
        return self.cell.project(params, xs)

    def step(self, params, carry, drive):
        passes = passes_of(self.cell)
        after, _, kept = passes.forward(passes.weights(params), carry, drive)
        return after, (after, kept)

    def carry(self, batch):
        return self.cell.carry(batch)


@dataclasses.dataclass(frozen=True)
class Nudged:
    """A cell that takes (xs, nudges) for inputs; nudges has the carry's structure, [T, B, H]."""

    cell: Any

    def project(self, params, inputs):
        xs, nudges = inputs
        return self.cell.project(params, xs), nudges

    def step(self, params, carry, inputs):
        drive, nudge = inputs
        return self.cell.step(params, jax.tree.map(jnp.add, carry, nudge), drive)


def gradient_by_distance(cell, params, xs, direction):
    """How the gradient fades or grows on its way back through time.

    Args:
        cell: see `nets.cells`.
        params: its parameters.
        xs: inputs [T, B, D], or integers [T, B].
        direction: [H]; what is differentiated is the last output along it.

    Returns:
        [T]: entry k is the norm of the gradient by the carry that comes into the step k before the
        last one, the mean over rows. Source: Pascanu, Mikolov and Bengio 2013, eq. 5.
    """
    carry = cell.carry(xs.shape[1])

    def last(nudges):
        _, ys = unroll(Nudged(cell), params, (xs, nudges), carry)
        return (ys[-1] @ direction).sum()

    zeros = jax.tree.map(lambda c: jnp.zeros((len(xs), *c.shape)), carry)
    gradients = jax.tree.leaves(jax.grad(last)(zeros))  # [T, B, H] each
    norms = jnp.sqrt(sum(jnp.square(g).sum(-1) for g in gradients))  # [T, B]
    return norms.mean(1)[::-1]


def spectral_radius(weights):
    """The largest absolute value among a square matrix's eigenvalues."""
    return jnp.abs(jnp.linalg.eigvals(weights)).max()

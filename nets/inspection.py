"""Looking inside a recurrence: cells made from a cell, which `unroll` runs like any other.

    Watched     outputs the carry and the gates of each step
    Perturbed   adds a perturbation to the carry before each step: zeros, to differentiate by
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from .cells import Params, Recurrence
from .passes import passes_of
from .unroll import unroll


@dataclasses.dataclass(frozen=True)
class Watched:
    """A cell whose output is (carry, kept): `kept` are the gates, as its passes keep them.

    The cell must be one of those that have passes, see passes.py.
    """

    cell: Recurrence

    def project(self, params: Params, xs: jax.Array) -> Any:
        return self.cell.project(params, xs)

    def step(self, params: Params, carry: Any, drive: Any) -> tuple[Any, Any]:
        passes = passes_of(self.cell)
        if passes is None:
            raise TypeError(f"{self.cell} has no passes that keep its gates; see passes.py.")
        after, _, kept = passes.forward(passes.weights(params), carry, drive)
        return after, (after, kept)

    def carry(self, batch: int) -> Any:
        return self.cell.carry(batch)


@dataclasses.dataclass(frozen=True)
class Perturbed:
    """A cell whose inputs are (xs, perturbations); these are like the carry, leaves [T, B, H]."""

    cell: Recurrence

    def project(self, params: Params, inputs: tuple[jax.Array, Any]) -> tuple[Any, Any]:
        xs, perturbations = inputs
        return self.cell.project(params, xs), perturbations

    def step(self, params: Params, carry: Any, inputs: tuple[Any, Any]) -> tuple[Any, Any]:
        drive, perturbation = inputs
        return self.cell.step(params, jax.tree.map(jnp.add, carry, perturbation), drive)

    def carry(self, batch: int) -> Any:
        return self.cell.carry(batch)


def gradient_by_distance(
    cell: Recurrence, params: Params, xs: jax.Array, direction: jax.Array
) -> jax.Array:
    """How the gradient vanishes or explodes on its way back through time.

    Args:
        cell: see cells.py.
        params: its parameters.
        xs: inputs [T, B, D], or integers [T, B].
        direction: [H]; what is differentiated is the last output's product with it.

    Returns:
        [T]: entry k is the norm of the gradient with respect to the carry that enters the step k
        before the last, averaged over rows. Source: Pascanu, Mikolov and Bengio 2013, eq. 5.
    """
    carry = cell.carry(xs.shape[1])

    def last(perturbations):
        _, ys = unroll(Perturbed(cell), params, (xs, perturbations), carry)
        return (ys[-1] @ direction).sum()

    zeros = jax.tree.map(lambda c: jnp.zeros((len(xs), *c.shape)), carry)
    gradients = jax.tree.leaves(jax.grad(last)(zeros))  # [T, B, H] each
    norms = jnp.sqrt(sum(jnp.square(g).sum(-1) for g in gradients))  # [T, B]
    return norms.mean(1)[::-1]


def spectral_radius(weights: jax.Array) -> jax.Array:
    """The largest absolute value of a square matrix's eigenvalues."""
    return jnp.abs(jnp.linalg.eigvals(weights)).max()

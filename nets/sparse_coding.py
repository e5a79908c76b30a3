"""Sparse coding: images as sums of few basis functions, learned from patches.

    x = Phi a + noise        E(a) = |x - Phi a|^2 / 2 + lambda sum_i |a_i|

The coefficients a of a patch are those with the least E, found by FISTA (Beck and Teboulle 2009).
The bases then move against the mean gradient of E, and each one's norm is kept at a gain that
brings its coefficients to a variance of their own (Olshausen and Field 1996, and their program):

    Phi += eta mean((x - Phi a) a^T)      v = (1 - rate) v + rate mean(a^2)
    gain *= (v / goal)^alpha, within limits      phi_i = gain_i phi_i / |phi_i|

Olshausen and Field minimise E by conjugate gradients under the smooth penalty log(1 + a^2); with
|a| most coefficients are exactly 0. Bases are rows here: [N, P], N functions of P pixels.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


def init_bases(key: jax.Array, functions: int, pixels: int) -> jax.Array:
    """White noise of norm 1: [N, P]."""
    return unit_rows(jax.random.normal(key, (functions, pixels)))


def unit_rows(rows: jax.Array) -> jax.Array:
    """Rows [N, P] divided by their norms; a row of zeros stays."""
    return rows / jnp.maximum(jnp.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def energy(bases: jax.Array, patches: jax.Array, codes: jax.Array, penalty: float) -> jax.Array:
    """E of each patch [B], for patches [B, P] and coefficients [B, N]."""
    residuals = patches - codes @ bases
    return (residuals**2).sum(1) / 2 + penalty * jnp.abs(codes).sum(1)


def fista(bases: jax.Array, patches: jax.Array, penalty: float, iterations: int) -> jax.Array:
    """The coefficients [B, N] that minimise `energy`, by accelerated proximal gradient steps.

    The momentum of a patch starts over where it points against its last step (O'Donoghue and
    Candes 2015), which keeps the convergence linear.
    """
    gram, drive = bases @ bases.T, patches @ bases.T  # [N, N], [B, N]
    rate = 1 / largest_eigenvalue(gram)

    def shrunk(x):
        return jnp.sign(x) * jnp.maximum(jnp.abs(x) - penalty * rate, 0)

    def iterate(_, carry):
        codes, ahead, t = carry
        new = shrunk(ahead - rate * (ahead @ gram - drive))
        against = ((ahead - new) * (new - codes)).sum(1, keepdims=True) > 0
        t = jnp.where(against, 1, t)
        next_t = (1 + jnp.sqrt(1 + 4 * t**2)) / 2
        return new, new + (t - 1) / next_t * (new - codes), next_t

    zeros = jnp.zeros_like(drive)
    start = zeros, zeros, jnp.ones_like(drive[:, :1])
    return jax.lax.fori_loop(0, iterations, iterate, start)[0]


def largest_eigenvalue(gram: jax.Array) -> jax.Array:
    """An upper bound of the eigenvalues of a symmetric matrix [N, N] without negative ones.

    The least of three that hold exactly would be too large by a factor; 30 steps of the power
    method come within some percent from below, for which 10 % are added, and no bound is larger
    than the largest sum of a row's absolute values.
    """
    start = jnp.abs(gram).sum(1)
    vector = jax.lax.fori_loop(0, 30, lambda _, v: _unit(gram @ v), _unit(start))
    return jnp.minimum(1.1 * jnp.linalg.norm(gram @ vector), start.max()) + 1e-12


def _unit(vector: jax.Array) -> jax.Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-30)


class Gain(NamedTuple):
    """The running variance of each function's coefficients and its norm, [N] each."""

    variance: jax.Array
    norm: jax.Array


def updated_bases(
    bases: jax.Array, patches: jax.Array, codes: jax.Array, rate: jax.Array | float
) -> jax.Array:
    """Bases after a step against the mean gradient of the energy."""
    residuals = patches - codes @ bases
    return bases + rate * codes.T @ residuals / len(patches)


def gain_controlled(
    bases: jax.Array,
    gain: Gain,
    codes: jax.Array,
    *,
    goal: float,
    rate: float,
    power: float,
    limits: tuple[float, float],
) -> tuple[jax.Array, Gain]:
    """Bases at the norms that bring the variance of their coefficients to `goal`, and the gain.

    With |a| a function of little use would otherwise shrink until it is used no more, and never
    come back: its norm stays within `limits`.
    """
    variance = (1 - rate) * gain.variance + rate * (codes**2).mean(0)
    norm = jnp.clip(gain.norm * (variance / goal) ** power, *limits)
    return unit_rows(bases) * norm[:, None], Gain(variance, norm)

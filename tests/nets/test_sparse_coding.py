"""Sparse coding: FISTA against a slow solver, the bases' gradient, the gain control."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets import sparse_coding
from nets.sparse_coding import Gain, energy, fista, gain_controlled, updated_bases

FUNCTIONS, PIXELS, PENALTY = 12, 9, 0.2


@pytest.fixture(scope="module")
def bases():
    return sparse_coding.init_bases(jax.random.key(0), FUNCTIONS, PIXELS)


@pytest.fixture(scope="module")
def patches():
    return jax.random.normal(jax.random.key(1), (5, PIXELS))


def coordinate_descent(bases, x, sweeps=2000):
    """The minimum of E, one coefficient at a time, each exactly."""
    codes = np.zeros(len(bases))
    for _ in range(sweeps):
        for i, phi in enumerate(bases):
            left = phi @ (x - codes @ bases) + codes[i] * (phi @ phi)
            codes[i] = np.sign(left) * max(abs(left) - PENALTY, 0) / (phi @ phi)
    return codes


def test_fista_finds_what_a_slow_solver_finds(bases, patches):
    bases = 1.7 * bases  # of other norms than 1
    found = fista(bases, patches, PENALTY, 500)
    slow = [coordinate_descent(np.float64(bases), np.float64(x)) for x in patches]
    np.testing.assert_allclose(found, slow, atol=2e-4)
    assert (np.equal(found, 0) == (np.abs(slow) < 1e-9)).all()  # the same ones are not used


def test_fista_ends_where_no_subgradient_leads_down(bases, patches):
    codes = fista(bases, patches, PENALTY, 500)
    slope = np.asarray((codes @ bases - patches) @ bases.T)
    active = np.asarray(codes != 0)
    np.testing.assert_allclose(slope[active], -PENALTY * np.sign(codes)[active], atol=1e-4)
    assert (np.abs(slope[~active]) <= PENALTY + 1e-5).all()


def test_more_steps_lower_the_energy_and_a_patch_does_not_depend_on_others(bases, patches):
    energies = [energy(bases, patches, fista(bases, patches, PENALTY, n), PENALTY).mean()
                for n in (0, 1, 5, 40)]  # fmt: skip
    assert (np.diff(energies) < 0).all()
    alone = fista(bases, patches[:1], PENALTY, 40)
    np.testing.assert_allclose(alone, fista(bases, patches, PENALTY, 40)[:1], atol=1e-5)


def test_the_bound_of_the_eigenvalues_is_close_and_not_below(bases):
    for gram in (bases @ bases.T, jnp.eye(4), jnp.ones((5, 5)), jnp.diag(jnp.arange(1.0, 6.0))):
        largest = np.linalg.eigvalsh(gram).max()
        bound = float(sparse_coding.largest_eigenvalue(gram))
        assert largest * 0.999 <= bound <= 1.11 * largest


def test_bases_go_against_the_gradient_of_the_mean_energy(bases, patches):
    codes = fista(bases, patches, PENALTY, 40)
    gradient = jax.grad(lambda b: energy(b, patches, codes, PENALTY).mean())(bases)
    found = updated_bases(bases, patches, codes, 0.3)
    np.testing.assert_allclose(found, bases - 0.3 * gradient, atol=1e-5)


def test_gain_control_by_hand():
    bases = jnp.array([[3.0, 4.0], [0.0, 2.0], [5.0, 0.0]])
    codes = jnp.array([[1.0, 0.0, 4.0], [3.0, 0.0, 4.0]])  # mean squares 5, 0 and 16
    gain = Gain(jnp.array([1.0, 1.0, 1.0]), jnp.array([2.0, 0.6, 3.0]))
    new, (variance, norm) = gain_controlled(
        bases, gain, codes, goal=0.5, rate=0.1, power=0.5, limits=(0.7, 4.0)
    )
    np.testing.assert_allclose(variance, [1.4, 0.9, 2.5], rtol=1e-6)
    expected = [2 * np.sqrt(2.8), 0.6 * np.sqrt(1.8), 4.0]
    np.testing.assert_allclose(norm, expected, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), expected, rtol=1e-6)
    np.testing.assert_allclose(new[0] / norm[0], [0.6, 0.8], rtol=1e-6)

"""Spike-and-slab sparse coding: the bound, and that the inference ends at its maximum."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from nets import spike_slab
from nets.spike_slab import Posterior

FUNCTIONS, PIXELS = 4, 6


@pytest.fixture(scope="module")
def params():
    params = spike_slab.init_params(
        jax.random.key(0), FUNCTIONS, PIXELS, bias=-1, slab=2, noise=5
    )
    keys = jax.random.split(jax.random.key(1), len(params))
    return {name: value + 0.3 * jax.random.normal(key, value.shape)
            for key, (name, value) in zip(keys, params.items(), strict=True)}  # fmt: skip


@pytest.fixture(scope="module")
def patches():
    return jax.random.normal(jax.random.key(2), (5, PIXELS))


def log_p(params, x):
    """ln p(x), summed over all sets of functions that may be used."""
    m = spike_slab.model(params)
    w, mu, alpha, beta = (np.float64(a) for a in (m.bases, m.mean, m.slab, m.noise))
    p = 1 / (1 + np.exp(-np.float64(m.bias)))
    total = 0
    for h in itertools.product((0, 1), repeat=FUNCTIONS):
        h = np.array(h)
        covariance = np.diag(1 / beta) + (w.T * (h / alpha)) @ w
        weight = np.prod(np.where(h, p, 1 - p))
        total += weight * multivariate_normal((h * mu) @ w, covariance).pdf(x)
    return np.log(total)


def test_the_bound_is_below_the_truth_and_near(params, patches):
    q = spike_slab.infer(params, patches, 200)
    bounds = np.asarray(spike_slab.lower_bound(params, patches, q))
    truth = np.array([log_p(params, np.float64(x)) for x in patches])
    assert (bounds <= truth + 1e-4).all() and (truth - bounds < 1.0).all()


def test_the_bound_is_the_truth_for_one_function(patches):
    params = spike_slab.init_params(jax.random.key(3), 1, PIXELS, bias=-0.5, slab=1.5, noise=4)
    q = spike_slab.infer(params, patches, 100)
    m, found = spike_slab.model(params), spike_slab.lower_bound(params, patches, q)
    for x, bound in zip(patches, found, strict=True):
        off = multivariate_normal(np.zeros(PIXELS), np.diag(1 / m.noise))
        on = multivariate_normal(
            np.zeros(PIXELS), np.diag(1 / m.noise) + m.bases.T @ m.bases / m.slab[0]
        )
        p = jax.nn.sigmoid(m.bias[0])
        expected = np.log((1 - p) * off.pdf(x) + p * on.pdf(x))
        np.testing.assert_allclose(bound, expected, atol=2e-4)


def test_the_inference_ends_where_the_bound_is_flat(params, patches):
    q = spike_slab.infer(params, patches, 500)
    slope = jax.grad(lambda q: spike_slab.lower_bound(params, patches, q).sum())(q)
    # in ln H / (1 - H), in which the bound has no edge
    np.testing.assert_allclose(slope.used * q.used * (1 - q.used), 0, atol=2e-4)
    np.testing.assert_allclose(slope.mean, 0, atol=2e-4)


def test_columns_have_norm_1_and_precisions_stay_within_limits(params):
    m = spike_slab.model(params | {"log_noise": jnp.full(PIXELS, 99.0), "mean": jnp.full(4, 99.0)})
    np.testing.assert_allclose(np.linalg.norm(m.bases, axis=1), 1, rtol=1e-5)
    assert (m.noise == spike_slab.PRECISIONS[1]).all()
    assert (m.mean == spike_slab.LARGEST_MEAN).all()


def test_every_parameter_moves(params, patches):
    q = spike_slab.infer(params, patches, 30)
    gradient = jax.grad(lambda p: spike_slab.lower_bound(p, patches, q).sum())(params)
    assert all((np.abs(leaf) > 0).all() for leaf in jax.tree.leaves(gradient))
    assert isinstance(q, Posterior) and ((q.used > 0) & (q.used < 1)).all()

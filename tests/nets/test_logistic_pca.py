"""Logistic PCA: the bound touches from above, no step raises the loss, the end is a minimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets import logistic_pca

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_the_bound_lies_above_the_loss_and_touches_it():
    s = jnp.float32([-4.0, -0.5, 0.0, 0.0005, 1.0, 6.0])[:, None]
    t = jnp.linspace(-8, 8, 101)[None]
    w = logistic_pca.curvatures(s)
    bound = w * (t**2 - s**2) / 2 + (t - s) / 2 + jax.nn.softplus(s)
    assert (bound >= jax.nn.softplus(t) - 1e-5).all()
    assert float(logistic_pca.curvatures(jnp.float32(0))) == 0.25


def test_no_step_raises_the_loss_and_the_last_ones_change_nothing():
    random = np.random.default_rng(0)
    scores = random.normal(size=(40, 2)) @ random.normal(size=(2, 9)) * 2
    xs = (random.uniform(size=scores.shape) < 1 / (1 + np.exp(-scores))).astype(np.float32)
    codes = jnp.float32(random.normal(size=(40, 2)))
    params = {"weights": jnp.float32(random.normal(size=(2, 9))), "bias": jnp.zeros(9)}
    loss = jax.jit(logistic_pca.loss)
    better, sums = jax.jit(logistic_pca.improved_codes), jax.jit(logistic_pca.component_sums)
    values = [float(loss(params, codes, xs))]
    for _ in range(30):
        codes = better(params, codes, xs)
        values.append(float(loss(params, codes, xs)))
        parts = [sums(params, codes[rows], xs[rows]) for rows in (slice(15), slice(15, 40))]
        params = logistic_pca.improved_components(*jax.tree.map(jnp.add, *parts))
        values.append(float(loss(params, codes, xs)))
    assert (np.diff(values) < 1e-3).all() and values[-1] < 0.8 * values[0]
    for _ in range(1000):
        codes = better(params, codes, xs)
    gradient = jax.grad(logistic_pca.loss, argnums=1)(params, codes, xs)
    assert float(jnp.abs(gradient).max()) < 0.05

"""Linear layers against NumPy, their gradients against plain automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.affine import affine, init_linear, linear, total

pytestmark = pytest.mark.usefixtures("quick_compilation")


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3), (4, 2, 0)])
def test_affine_is_the_product_with_a_bias(shape):
    xs, w, b = normal(0, *shape), normal(1, shape[-1], 5), normal(2, 5)
    upstream = normal(3, *shape[:-1], 5)
    ys, pull = jax.vjp(affine, xs, w, b)
    plain, plain_pull = jax.vjp(lambda xs, w, b: xs @ w + b, xs, w, b)
    np.testing.assert_allclose(ys, plain, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(pull(upstream), plain_pull(upstream), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_total_is_the_sum_of_all_rows():
    xs = normal(0, 4, 3, 5)
    np.testing.assert_allclose(total(xs), xs.sum((0, 1)), rtol=1e-5, atol=1e-6)


def test_a_linear_layer_starts_with_a_bias_of_zero():
    params = init_linear(jax.random.key(0), 400, 300)
    assert params["weights"].shape == (400, 300) and not params["bias"].any()
    assert params["weights"].std() == pytest.approx(1 / 20, rel=0.05)  # 1 / sqrt(inputs)
    params["bias"] = jnp.arange(300.0)
    xs = normal(0, 2, 400)
    wanted = xs @ params["weights"] + np.arange(300)
    np.testing.assert_allclose(linear(params, xs), wanted, rtol=1e-4, atol=1e-4)
    ones = init_linear(jax.random.key(0), 4, 3, draw=lambda key, shape: jnp.ones(shape))
    assert (ones["weights"] == 1).all()

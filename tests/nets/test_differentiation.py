"""The rule of second derivatives: the paper's recursion, and a brute-force Gauss-Newton."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.differentiation import CURVATURE, GRADIENT
from nets.lenet import LeNet5, squash

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIDE, WINDOW, MAPS, CLASSES = 4, 3, 2, 3
OUT = SIDE - WINDOW + 1


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


PARAMS = dict(kernel=normal(0, WINDOW, WINDOW, MAPS), bias=normal(1, MAPS),
              weights=normal(2, OUT * OUT * MAPS, CLASSES))  # fmt: skip
IMAGE = normal(3, SIDE, SIDE)
HEAD = np.array([0.7, 0.2, 1.3], np.float32)  # d2E/dz^2 of the outputs


def sums_of_windows(kernel, image):
    """One map per kernel [M, N, maps], the lecture's convolution of an image [H, W]."""
    return sum(
        kernel[m, n] * image[m : m + OUT, n : n + OUT, None]
        for m, n in np.ndindex(WINDOW, WINDOW)
    )


def outputs(rule, params):
    """Shared weights, squashed units, full connections: [3]."""
    a = rule.linear(sums_of_windows)(params["kernel"], IMAGE) + params["bias"]
    x = rule.pointwise(squash)(a).reshape(-1)
    return rule.linear(lambda w, x: x @ w)(params["weights"], x)


def backwards(rule):
    """What the rule makes of HEAD, for every parameter."""
    return jax.jit(lambda p: jax.vjp(lambda p: outputs(rule, p), p)[1](HEAD)[0])(PARAMS)


def recursion_by_units():
    """d2E/da_i^2 ~ f'(a_i)^2 sum_k u_ki^2 d2E/da_k^2, unit by unit; d2E/du_ij^2 times x_j^2."""
    kernel, bias, weights = (PARAMS[name].astype(np.float64) for name in PARAMS)
    h = jax.tree.map(lambda leaf: np.zeros(leaf.shape), PARAMS)
    for unit, (i, j, o) in enumerate(np.ndindex(OUT, OUT, MAPS)):
        window = IMAGE[i : i + WINDOW, j : j + WINDOW].astype(np.float64)
        a = (window * kernel[..., o]).sum() + bias[o]
        x, slope = 1.7159 * np.tanh(2 / 3 * a), 1.7159 * 2 / 3 / np.cosh(2 / 3 * a) ** 2
        above = sum(weights[unit, k] ** 2 * HEAD[k] for k in range(CLASSES))
        h["weights"][unit] = HEAD * x**2
        h["kernel"][..., o] += slope**2 * above * window**2
        h["bias"][o] += slope**2 * above
    return h


def assert_trees_close(found, expected, rtol=1e-4):
    for (path, ours), theirs in zip(
        jax.tree.leaves_with_path(found), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(
            ours, theirs, rtol=rtol, atol=1e-6, err_msg=jax.tree_util.keystr(path)
        )


def test_rule_is_the_papers_recursion():
    assert_trees_close(backwards(CURVATURE), recursion_by_units())


def test_rule_is_the_gauss_newton_diagonal_of_unshared_connections():
    """J^T H J by brute force, each connection a weight of its own; then sharers are added up.

    With one hidden layer and a diagonal H no two units' paths are mixed: the recursion is exact.
    """

    def by_connection(own):
        """The hidden layer with a window of weights for every place: own [OUT, OUT, 3, 3, maps]."""
        a = jnp.stack([
            jnp.stack([
                (own["kernel"][i, j] * IMAGE[i : i + WINDOW, j : j + WINDOW, None]).sum((0, 1))
                for j in range(OUT)])
            for i in range(OUT)]) + own["bias"]  # fmt: skip
        return squash(a).reshape(-1) @ own["weights"]

    own = {
        "kernel": np.broadcast_to(PARAMS["kernel"], (OUT, OUT, WINDOW, WINDOW, MAPS)),
        "bias": np.broadcast_to(PARAMS["bias"], (OUT, OUT, MAPS)),
        "weights": PARAMS["weights"],
    }
    jacobian = jax.jit(jax.jacobian(by_connection))(own)  # leaves [3, ...]
    diagonal = jax.tree.map(lambda j: jnp.einsum("k...,k,k...->...", j, HEAD, j), jacobian)
    expected = diagonal | {name: diagonal[name].sum((0, 1)) for name in ("kernel", "bias")}
    assert_trees_close(backwards(CURVATURE), expected)


def test_gradient_rule_is_plain_back_propagation():
    def plain(params):
        a = sums_of_windows(params["kernel"], IMAGE) + params["bias"]
        return squash(a).reshape(-1) @ params["weights"]

    assert_trees_close(backwards(GRADIENT), jax.vjp(plain, PARAMS)[1](HEAD)[0], rtol=1e-5)


def test_values_do_not_depend_on_the_rule():
    np.testing.assert_array_equal(outputs(CURVATURE, PARAMS), outputs(GRADIENT, PARAMS))


def test_every_layer_of_lenet_5_carries_curvature():
    """Not negative anywhere, as squares cannot be; and not the gradient's backward pass."""
    images = np.random.default_rng(7).integers(0, 256, (2, 28, 28), np.uint8)
    shapes = jax.eval_shape(LeNet5().init, jax.random.key(0), images)["params"]
    random = np.random.default_rng(8)
    params = jax.tree.map(
        lambda leaf: random.uniform(-0.2, 0.2, leaf.shape).astype(np.float32), shapes
    )

    @jax.jit
    def backward(params):
        def state(rule, params):
            return LeNet5(rule=rule).apply({"params": params}, images, method="state")

        found, pull = jax.vjp(lambda p: state(CURVATURE, p), params)
        return found, state(GRADIENT, params), pull(jnp.ones_like(found))[0]

    found, plain, h = backward(params)
    np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-6)
    for path, leaf in jax.tree.leaves_with_path(h):
        assert (leaf > 0).all(), jax.tree_util.keystr(path)

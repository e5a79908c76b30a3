"""Feed-forward nets: counts of parameters, first weights, and the formula by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.feed_forward import UNITS, FeedForward

SHAPES = jax.eval_shape(lambda: jax.random.key(0))  # a key for shapes alone


@pytest.mark.parametrize(
    ("widths", "count"),
    [((4, 10, 20, 10, 3), 513), ((960, 3, 4), 2899), ((960, 30, 4), 28_954), ((8, 3, 8), 59),
     ((5, 2), 12)],
)  # fmt: skip
def test_parameter_counts(widths, count):
    params = jax.eval_shape(FeedForward(widths).init, SHAPES)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_glorots_weights_are_uniform_within_their_limit():
    layer, _ = FeedForward((50, 100, 2)).init(jax.random.key(0))
    limit = np.sqrt(6 / 150)
    assert 0.98 * limit < jnp.abs(layer["weights"]).max() <= limit
    assert layer["weights"].std() == pytest.approx(limit / np.sqrt(3), rel=0.03)
    assert (layer["bias"] == 0).all()


def test_first_weights_are_zero_in_the_first_layer_alone():
    first, last = FeedForward((50, 40, 30), "sigmoid", "zero-first", 0.2).init(jax.random.key(0))
    assert (first["weights"] == 0).all()
    assert 0.19 < jnp.abs(last["weights"]).max() <= 0.2
    first, _ = FeedForward((50, 40, 30), "sigmoid", "uniform", 0.2).init(jax.random.key(0))
    assert 0.19 < jnp.abs(first["weights"]).max() <= 0.2


@pytest.mark.parametrize("unit", UNITS)
def test_the_formula(unit, drawn):
    net = FeedForward((3, 4, 5, 2), unit)
    params = drawn(net.init)
    xs = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    function = {"relu": lambda z: np.maximum(z, 0), "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
                "tanh": np.tanh}[unit]  # fmt: skip
    expected = xs
    for layer, found in zip(params, net.hidden(params, xs), strict=False):
        expected = function(expected @ layer["weights"] + layer["bias"])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    expected = expected @ params[-1]["weights"] + params[-1]["bias"]
    np.testing.assert_allclose(net.sums(params, xs), expected, rtol=1e-5, atol=1e-6)


def test_without_hidden_layers_it_is_linear(drawn):
    net = FeedForward((3, 2))
    params, xs = drawn(net.init), jnp.eye(3)
    assert net.hidden(params, xs) == ()
    np.testing.assert_allclose(net.sums(params, xs), params[0]["weights"] + params[0]["bias"])


def test_every_parameter_has_a_gradient(drawn):
    net = FeedForward((3, 4, 5, 2), "tanh")
    params = drawn(net.init)
    xs = jax.random.normal(jax.random.key(0), (6, 3))
    gradient = jax.jit(jax.grad(lambda params: jnp.square(net.sums(params, xs)).sum()))
    gradients = gradient(params)
    assert all((jnp.abs(leaf) > 0).all() for leaf in jax.tree.leaves(gradients))

"""The deep bidirectional net: the paper's sizes and equations, padding, causality, dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import relu

from nets.cells import GRU, LSTM, RNN
from nets.tagger import Tagger

CELLS = {"relu": RNN(8, relu), "lstm": LSTM(4), "gru": GRU(4)}
pytestmark = pytest.mark.usefixtures("quick_compilation")


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("layers", "hidden", "parameters"),
    [
        (1, 36, 24_264), (2, 29, 24_244), (3, 25, 23_900), (4, 22, 23_056), (5, 21, 24_276),
        (1, 200, 200_400), (2, 125, 200_500), (3, 100, 200_600), (4, 86, 200_208),
        (5, 77, 201_124),
    ],
)  # fmt: skip
def test_hidden_parameters_of_the_paper_s_nets(layers, hidden, parameters):
    net = Tagger(RNN(hidden, relu), layers, inputs=300, labels=3)
    params = jax.eval_shape(net.init, jax.random.key(0))
    assert count(params["layers"]) == parameters
    assert count(params["output"]) == 3 * (2 * hidden + 1)


def test_the_equations_with_a_matrix_for_each_pair_of_directions(drawn):
    """WWff, WWbf, WWfb and WWbb of the authors' code are the halves of each layer's `x`."""
    hidden, steps = 3, 5
    net = Tagger(RNN(hidden, relu), 2, inputs=4, labels=3)
    params = drawn(net.init)
    xs = np.random.default_rng(0).normal(size=(steps, 4)).astype(np.float32)
    (first_f, first_b), (second_f, second_b) = (
        [direction["hidden"] for direction in layer] for layer in params["layers"]
    )
    ahead, behind = np.zeros((2, steps + 2, hidden))  # places 0 and steps + 1: before and after
    for t in range(steps):
        total = xs[t] @ first_f["x"] + ahead[t] @ first_f["h"] + first_f["b"]
        ahead[t + 1] = np.maximum(0, total)
    for t in reversed(range(steps)):
        total = xs[t] @ first_b["x"] + behind[t + 2] @ first_b["h"] + first_b["b"]
        behind[t + 1] = np.maximum(0, total)
    ww_ff, ww_bf = second_f["x"][:hidden], second_f["x"][hidden:]
    ww_fb, ww_bb = second_b["x"][:hidden], second_b["x"][hidden:]
    ahead2, behind2 = np.zeros((2, steps + 2, hidden))
    for t in range(1, steps + 1):
        below = ahead[t] @ ww_ff + behind[t] @ ww_bf
        ahead2[t] = np.maximum(0, below + ahead2[t - 1] @ second_f["h"] + second_f["b"])
    for t in range(steps, 0, -1):
        below = ahead[t] @ ww_fb + behind[t] @ ww_bb
        behind2[t] = np.maximum(0, below + behind2[t + 1] @ second_b["h"] + second_b["b"])
    u = params["output"]["weights"]
    wanted = ahead2[1:-1] @ u[:hidden] + behind2[1:-1] @ u[hidden:] + params["output"]["bias"]
    logits, layers = jax.jit(net.each)(params, xs[:, None])
    np.testing.assert_allclose(logits[:, 0], wanted, atol=1e-5)
    np.testing.assert_allclose(layers[0][:, 0], np.hstack([ahead, behind])[1:-1], atol=1e-5)


@pytest.mark.parametrize(("cell", "whole"), [("relu", False), ("lstm", True), ("gru", False)])
def test_padding_changes_no_output_and_no_gradient(cell, whole, drawn):
    net = Tagger(CELLS[cell], 2, inputs=3, labels=2)
    params, xs = drawn(net.init), np.random.default_rng(1).normal(size=(6, 2, 3))
    mask = np.arange(6)[:, None] < [6, 3]

    @jax.jit
    def of_second_row(params, xs, mask):
        def read(params):
            logits = (net.whole if whole else net.each)(params, xs, mask)[0]
            logits = logits[-1:] if whole else logits[:3, -1:]
            return logits.sum(), logits

        return jax.grad(read, has_aux=True)(params)

    gradient, alone = of_second_row(params, xs[:3, 1:], mask[:3, 1:])
    xs[3:, 1] = np.nan
    masked, padded = of_second_row(params, xs, mask)
    np.testing.assert_allclose(padded, alone, atol=1e-6)
    for ours, theirs in zip(jax.tree.leaves(masked), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert np.abs(theirs).max() > 0


@pytest.mark.parametrize("backward", [True, False])
def test_one_direction_is_causal(backward, drawn):
    net = Tagger(CELLS["gru"], 2, inputs=3, labels=2, backward=backward)
    params, xs = drawn(net.init), np.random.default_rng(1).normal(size=(5, 1, 3))
    gradient = jax.jit(jax.grad(lambda xs: net.each(params, xs)[0][2].sum()))(xs)
    norms = np.abs(gradient).sum((1, 2))
    assert (norms[:3] > 0).all() and (norms[3:] > 0).all() == backward
    assert norms[3:].any() == backward


def test_dropout_drops_the_same_units_at_all_steps(drawn):
    net = Tagger(RNN(50), 1, inputs=3, labels=2, rate=0.5)
    ys = jnp.ones((4, 3, 100))
    dropped = net._drop(jax.random.key(0), 1, ys)
    assert (dropped == dropped[:1]).all() and not (dropped[:, 0] == dropped[:, 1]).all()
    assert set(np.unique(dropped)) == {0.0, 2.0}
    params, xs = drawn(net.init), jnp.ones((4, 2, 3))
    quiet, noisy = jax.jit(
        lambda params: (net.whole(params, xs)[0], net.whole(params, xs, key=jax.random.key(1))[0])
    )(params)
    assert not np.allclose(quiet, noisy)
    assert not np.allclose(noisy[0], noisy[1])  # the rows are the same, their masks are not

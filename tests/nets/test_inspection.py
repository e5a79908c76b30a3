"""Looking inside a recurrence: the states and gates of each step, and the gradient's way back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.cells import GRU, LSTM, RNN
from nets.inspection import Watched, gradient_by_distance, spectral_radius
from nets.unroll import unroll

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize("cell", [RNN(4), LSTM(4, peepholes=True), GRU(4), GRU(4, True)])
def test_a_watched_cell_computes_the_same(cell, drawn):
    params = drawn(cell.init, 3)
    xs = np.random.default_rng(1).normal(size=(6, 2, 3)).astype(np.float32)
    last, ys = jax.jit(lambda: unroll(cell, params, xs))()
    watched, (carries, _) = jax.jit(lambda: unroll(Watched(cell), params, xs, cell.carry(2)))()
    outputs = carries.h if isinstance(cell, LSTM) else carries
    np.testing.assert_allclose(outputs, ys, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), watched, last)


def test_the_gradient_of_a_linear_net_is_a_power_of_its_weights():
    cell = RNN(3, activation=lambda a: a)
    weights = 0.5 * jnp.eye(3)
    params = {"hidden": {"x": jnp.ones((2, 3)), "h": weights, "b": jnp.zeros(3)}}
    norms = gradient_by_distance(cell, params, jnp.ones((5, 4, 2)), jnp.array([1.0, 0, 0]))
    np.testing.assert_allclose(norms, 0.5 ** np.arange(1, 6), rtol=1e-6)
    assert spectral_radius(weights) == pytest.approx(0.5)


def test_a_cell_without_passes_cannot_be_watched():
    cell = RNN(3, activation=jnp.sin)
    params = cell.init(jax.random.key(0), 2)
    with pytest.raises(TypeError, match="no passes that keep its gates"):
        unroll(Watched(cell), params, jnp.zeros((4, 1, 2)), cell.carry(1))

"""The composite LSTM: the inputs of its decoders, and its published size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.cells import LSTM
from nets.unroll import unroll
from nets.video import FUTURE, PAST, Composite

T, B, P = 4, 2, 6
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def net():
    """A net whose future decoder alone is conditional, with films [2 T, B, P]."""
    model = Composite(LSTM(5, peepholes=True), P, conditional=(FUTURE,))
    films = jnp.asarray(np.random.default_rng(0).random((2 * T, B, P)), jnp.float32)
    params = jax.jit(model.init)(jax.random.key(0))
    return model, params, films, jax.jit(model.encode)(params, films[:T])


def test_a_conditional_decoder_reads_its_own_frames(net):
    """Each frame follows from the one before by the equations, one plain step at a time."""
    model, params, _, state = net
    logits = jax.jit(model.decode, static_argnums=(1, 3))(params, FUTURE, state, T)
    step = jax.jit(lambda carry, x: unroll(model.cell, params[FUTURE]["cell"], x[None], carry))
    carry, frame, output = state, jnp.zeros((B, P)), params[FUTURE]["output"]
    for found in logits:
        carry, hs = step(carry, frame)
        np.testing.assert_allclose(found, hs[0] @ output["weights"] + output["bias"], atol=1e-5)
        frame = jax.nn.sigmoid(found)


def test_the_others_have_no_input(net):
    model, params, _, state = net
    assert all("x" not in gate for gate in params[PAST]["cell"].values())
    longer = model.decode(params, PAST, state, T + 2)
    np.testing.assert_allclose(model.decode(params, PAST, state, T), longer[:T], atol=1e-6)


def test_the_paper_s_net_has_the_published_sizes():
    h, p = 2048, 4096
    model = Composite(LSTM(h, peepholes=True), p, conditional=(PAST, FUTURE))
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    lstm = 4 * h * (p + h) + 3 * h + 4 * h  # with peepholes and biases
    assert count == 3 * lstm + 2 * (h * p + p)

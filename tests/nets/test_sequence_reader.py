"""Many to one and many to many: outputs at each step, and after the last real one."""

import jax
import numpy as np
import pytest

from nets.cells import GRU, LSTM
from nets.sequence_reader import SequenceReader

T, B, D = 6, 3, 4
LENGTHS = np.array([6, 1, 4])
MASK = np.arange(T)[:, None] < LENGTHS
pytestmark = pytest.mark.usefixtures("quick_compilation")


def inputs(one_hot):
    random = np.random.default_rng(0)
    return random.integers(0, D, (T, B)) if one_hot else random.normal(size=(T, B, D))


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("cell", [LSTM(5), GRU(5)])
def test_the_last_outputs_are_those_of_each_row_s_last_real_step(cell, one_hot, drawn):
    model, xs = SequenceReader(cell, D, 2), inputs(one_hot)
    params = drawn(model.init)
    each = jax.jit(model.each)(params, xs, MASK)
    last = jax.jit(model.last)(params, xs, MASK)
    np.testing.assert_allclose(last, each[LENGTHS - 1, np.arange(B)], atol=1e-6)


@pytest.mark.parametrize("read", [SequenceReader.each, SequenceReader.last])
def test_padding_has_no_influence(read, drawn):
    model, xs = SequenceReader(LSTM(5), D, 2), inputs(one_hot=False)
    params = drawn(model.init)
    read = jax.jit(read, static_argnums=0)
    other = np.where(MASK[..., None], xs, np.nan)
    np.testing.assert_array_equal(read(model, params, other, MASK), read(model, params, xs, MASK))


def test_parameters():
    params = jax.eval_shape(SequenceReader(GRU(5), D, 2).init, jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert count == 3 * 5 * (D + 5 + 1) + (5 + 1) * 2

"""One to many: the probabilities of all pictures, and the frequencies of sampled ones."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.cells import GRU, LSTM
from nets.row_writer import RowWriter

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize("cell", [GRU(4), LSTM(4)])
def test_all_pictures_of_a_class_have_probability_1_together(cell):
    model = RowWriter(cell, classes=3, width=2)
    params = jax.jit(model.init)(jax.random.key(0))
    pictures = np.array(list(itertools.product([0.0, 1.0], repeat=6)), np.float32)
    rows = pictures.reshape(-1, 3, 2).swapaxes(0, 1)  # [T, B, W]
    log_p = jax.jit(model.log_p)
    each = [log_p(params, jnp.full(len(pictures), c), rows) for c in range(3)]
    for one in each:
        assert float(jnp.exp(one).sum()) == pytest.approx(1, rel=1e-5)
    assert abs(each[0] - each[1]).max() > 1e-3


def test_samples_have_the_model_s_frequencies():
    model = RowWriter(GRU(4), classes=2, width=1)
    params = jax.jit(model.init)(jax.random.key(0))
    count = 4000
    drawn = jax.jit(model.sample, static_argnums=3)(
        params, jnp.ones(count, int), jax.random.key(1), 2
    )[..., 0]  # [T, B]
    for picture in itertools.product([0.0, 1.0], repeat=2):
        p = jnp.exp(model.log_p(params, jnp.ones(1, int), np.reshape(picture, (2, 1, 1))))[0]
        found = (np.asarray(drawn).T == picture).all(1).mean()
        assert found == pytest.approx(float(p), abs=0.03)

"""The convolutional sentence model against its layers in NumPy."""

import jax
import numpy as np
import pytest

from nets.sentence_convolution import SentenceConvolution

pytestmark = pytest.mark.usefixtures("quick_compilation")


def vector_by_hand(params, columns):
    """The sentence model of one sentence [m, D], layer by layer in NumPy."""
    width = 2
    while len(columns) > 1:
        if len(columns) >= width:
            kernel = params["kernels"][width - 2][:width]
            steps = range(len(columns) - width + 1)
            columns = np.tanh([(kernel * columns[s : s + width]).sum(0) for s in steps])
        else:
            rest = params["rests"][len(columns) - 2][: len(columns)]
            columns = np.tanh([(rest * columns).sum(0)])
        width += 1
    return columns[0]


vector_of = jax.jit(SentenceConvolution.vector, static_argnums=0)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 11])
def test_the_sentence_model_by_hand(length, drawn):
    model, random = SentenceConvolution(widest=5), np.random.default_rng(length)
    assert model.longest == 11
    params = drawn(model.init, 3)
    xs = random.normal(size=(13, 2, 3))
    mask = np.arange(13)[:, None] < [length, 0]
    found = vector_of(model, params, np.where(mask[..., None], xs, 0), mask)
    wanted = vector_by_hand(params, xs[:length, 0])
    np.testing.assert_allclose(found[0], wanted, rtol=1e-4, atol=1e-6)
    assert (found[1] == 0).all()

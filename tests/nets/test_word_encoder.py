"""The input vector of a word and its parts."""

import jax
import numpy as np
import pytest

from nets.cells import LSTM
from nets.word_encoder import WordEncoder

pytestmark = pytest.mark.usefixtures("quick_compilation")


def encoder(**changes):
    sizes = dict(words=7, embedding=4, letters=5, reader=LSTM(3), letter_embedding=2, features=3,
                 feature_embedding=2)  # fmt: skip
    return WordEncoder(**sizes | changes)


def test_a_word_is_its_vector_its_letters_and_its_feature_side_by_side(drawn):
    net = encoder(given=6)
    params = drawn(net.init)
    vectors = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)
    words, features = np.array([[1, 2]]), np.array([[0, 2]])
    letters = np.array([[[1, 2, 0, 0], [1, 2, 3, 4]]])
    encode = jax.jit(net.encode)
    xs = encode(params, words, letters, features, vectors)
    assert xs.shape == (1, 2, net.width) and net.width == 4 + 6 + 2 * 3 + 2
    np.testing.assert_array_equal(xs[0, 1, :4], params["words"][2])
    np.testing.assert_array_equal(xs[0, 1, 4:10], vectors[2])
    np.testing.assert_array_equal(xs[0, 1, -2:], params["features"][2])
    longer = np.pad(letters, ((0, 0), (0, 0), (0, 3)))
    np.testing.assert_allclose(encode(params, words, longer, features, vectors), xs, atol=1e-6)
    letters[0, 0, 0] = 3
    other = encode(params, words, letters, features, vectors)
    assert not np.allclose(other[0, 0, 10:16], xs[0, 0, 10:16])
    np.testing.assert_allclose(other[0, 1], xs[0, 1], atol=1e-6)


def test_what_is_left_out_has_no_parameters():
    net = encoder(embedding=0, reader=None, feature_embedding=0, given=6)
    assert net.init(jax.random.key(0)) == {} and net.width == 6

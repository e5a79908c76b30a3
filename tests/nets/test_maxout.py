"""Maxout nets: counts of parameters, pieces by hand, pooling that overlaps, dropout, max-norm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets import maxout
from nets.maxout import Convolution, Maxout

PAPER = (Convolution(96, 8, 4, 4), Convolution(192, 8, 3, 4), Convolution(192, 5, 3, 2))
SMALL = Maxout((Convolution(3, 3, 1, 4),), units=4, classes=3, unit_pieces=2)


@pytest.fixture(scope="module")
def params():
    params = SMALL.init(jax.random.key(0), 8, 2)
    return jax.tree.map(lambda w: 50 * w, params)


def test_parameter_counts_of_the_paper_s_net():
    net = Maxout(PAPER, units=500, classes=10)
    shapes = jax.eval_shape(lambda key: net.init(key, 32, 3), jax.random.key(0))
    counts = {name: sum(leaf.size for leaf in jax.tree.leaves(part))
              for name, part in shapes.items()}  # fmt: skip
    # 32 + 8 - 7 = 33, pooled to 15; 15 + 6 - 7 = 14, pooled to 6; 6 + 6 - 4 = 8, pooled to 4
    assert counts == {
        "conv1": (8 * 8 * 3 + 1) * 192, "conv2": (8 * 8 * 96 + 1) * 384,
        "conv3": (5 * 5 * 192 + 1) * 384, "dense": (4 * 4 * 192 + 1) * 2500,
        "output": 501 * 10,
    }  # fmt: skip


def test_a_unit_is_the_largest_of_its_neighbouring_pieces(params):
    xs = jax.random.normal(jax.random.key(1), (2, 8, 8, 2))
    found = maxout.convolved(SMALL.convolutions[0], params["conv1"], xs, 2)
    kernel = np.asarray(params["conv1"]["weights"])
    padded = np.pad(xs, [(0, 0), (1, 1), (1, 1), (0, 0)])
    patch = padded[1, 4:7, 2:5]
    pieces = [(patch * kernel[..., i]).sum() for i in range(6)]
    expected = [max(pieces[2 * i : 2 * i + 2]) for i in range(3)]
    np.testing.assert_allclose(found[1, 4, 2], expected, rtol=1e-4)


def test_pooling_takes_overlapping_squares():
    xs = jnp.arange(36.0).reshape(1, 6, 6, 1)
    found = maxout.max_pooled(xs, Convolution(1, 3, 1, 4, 2))
    np.testing.assert_array_equal(found[0, :, :, 0], [[21, 23], [33, 35]])
    with pytest.raises(ValueError, match="2x2 pixels cannot be pooled by 4"):
        maxout.pooled_side(Convolution(1, 3, 0, 4), 4)


def test_every_parameter_moves_and_dropout_needs_a_key(params):
    xs = jax.random.normal(jax.random.key(2), (16, 8, 8, 2))
    assert (SMALL.logits(params, xs) == SMALL.logits(params, xs)).all()
    one, other = (SMALL.logits(params, xs, jax.random.key(n)) for n in (0, 1))
    assert (one != other).any()
    gradient = jax.grad(lambda p: (SMALL.logits(p, xs) ** 2).sum())(params)
    assert all((leaf != 0).any() for leaf in jax.tree.leaves(gradient))


def test_dropout_keeps_the_mean():
    found = maxout.dropped(jnp.ones(100_000), 0.2, jax.random.key(0))
    assert set(np.unique(found).round(4)) == {0, 1.25} and abs(found.mean() - 1) < 0.01
    assert (maxout.dropped(jnp.ones(3), 0.2, None) == 1).all()


def test_max_norm_shortens_what_is_longer_alone():
    weights = jnp.stack([jnp.full((2, 2, 1), 1.0), jnp.full((2, 2, 1), 0.1)], -1)  # norms 2, 0.2
    found = maxout.within_norm(weights, 0.9)
    np.testing.assert_allclose(np.sqrt((found**2).sum((0, 1, 2))), [0.9, 0.2], rtol=1e-6)

"""The net of 2021: what `train` turns on, and that every parameter learns."""

import jax
import numpy as np
import pytest

from nets.convnet import ConvNet, max_pool

pytestmark = pytest.mark.usefixtures("quick_compilation")

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 28, 28), np.uint8)
SMALL = ConvNet(maps=(3, 4), units=8)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(SMALL.init)(jax.random.key(0), IMAGES)


@jax.jit
def trained_scores(variables, images, key):
    return SMALL.apply(
        variables, images, train=True, rngs={"dropout": key}, mutable=["batch_stats"]
    )


def test_dropout_depends_on_the_key_and_averages_move(variables):
    keys = jax.random.split(jax.random.key(1), 3)
    scores, changed = trained_scores(variables, IMAGES, keys[0])
    others, _ = trained_scores(variables, IMAGES, keys[1])
    assert not np.allclose(scores, others)
    before = jax.tree.leaves(variables["batch_stats"])
    for old, new in zip(before, jax.tree.leaves(changed), strict=True):
        assert not np.allclose(old, new)


def test_scores_of_a_trained_net_depend_on_the_example_alone(variables):
    others = IMAGES.copy()
    others[4:] = 0
    scores = jax.jit(SMALL.apply)
    np.testing.assert_array_equal(scores(variables, IMAGES)[:4], scores(variables, others)[:4])


def test_every_parameter_moves_in_one_step(variables):
    @jax.jit
    def gradient(params, key):
        def loss(params):
            scores, _ = trained_scores(variables | {"params": params}, IMAGES, key)
            return (jax.nn.log_softmax(scores) * (np.arange(10) == 3)).sum()

        return jax.grad(loss)(params)

    for path, leaf in jax.tree.leaves_with_path(gradient(variables["params"], jax.random.key(2))):
        assert (leaf != 0).mean() > 0.5, jax.tree_util.keystr(path)  # a rectified unit may be off


def test_max_pool_takes_the_largest_of_each_square():
    xs = np.random.default_rng(3).normal(size=(2, 6, 4, 3)).astype(np.float32)
    pooled = max_pool(xs)
    for b, i, j, c in np.ndindex(2, 3, 2, 3):
        assert pooled[b, i, j, c] == xs[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].max()

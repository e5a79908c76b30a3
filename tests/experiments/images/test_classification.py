"""Image batches as a pure function of seed and step; the loss and its figures."""

import dataclasses

import jax
import numpy as np
import pytest

from data.images import Images
from experiments.images.classification import (
    example_loss,
    make_batches,
    make_loss,
    measure,
    to_figures,
)
from experiments.lenet5 import Config
from experiments.runtime.mesh import mesh_for
from nets.convnet import ConvNet
from nets.lenet import cross_entropy, map_loss, mse_loss

pytestmark = pytest.mark.usefixtures("quick_compilation")
random = np.random.default_rng(0)
IMAGES = Images(random.integers(0, 256, (11, 28, 28), np.uint8), np.arange(11, dtype=np.int32) % 10)
CONFIG = Config(batch_size=3, steps_per_call=4, seed=7)


def block(first, count, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    return jax.device_get(make_batches(config, IMAGES, mesh_for(1))(first, count))


@pytest.mark.parametrize("distortions", [False, True])
def test_a_batch_depends_on_seed_and_step_alone(distortions):
    whole = block(5, 4, distortions=distortions)
    for step in range(4):
        alone = block(5 + step, 1, distortions=distortions)
        np.testing.assert_array_equal(alone.images[0], whole.images[step])
        np.testing.assert_array_equal(alone.labels[0], whole.labels[step])
    other = block(5, 4, distortions=distortions, seed=8)
    assert not np.array_equal(other.labels, whole.labels)


def test_a_short_block_is_padded_with_zeros():
    images, labels = block(0, 2)
    assert images.shape == (4, 3, 28, 28) and labels.shape == (4, 3)
    assert not images[2:].any() and not labels[2:].any() and images[:2].any()


def test_a_pass_has_every_image_once_and_the_next_distorts_it_differently():
    plain, distorted = (block(0, 4, batch_size=11, distortions=d) for d in (False, True))
    for labels in plain.labels:
        assert sorted(labels) == sorted(IMAGES.labels)
    places = [plain.images[number].sum((1, 2)).argmax() for number in (0, 1)]  # of one image
    one, two = (distorted.images[number, place] for number, place in enumerate(places))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("mse", mse_loss),
        ("cross_entropy", cross_entropy),
        ("map", lambda scores, labels: map_loss(scores, labels, 2.0)),
    ],
    ids=["mse", "cross_entropy", "map"],
)
def test_each_loss_is_that_of_the_nets_scaled(name, loss):
    scores = np.float32(random.normal(size=(4, 10)))
    config = Config(loss=name, rubbish=2.0, loss_scale=0.25)
    found = example_loss(config, scores, np.array([0, 1, 2, 3]))
    np.testing.assert_allclose(found, 0.25 * loss(scores, np.array([0, 1, 2, 3])), rtol=1e-6)


def test_masked_examples_do_not_count():
    scores = np.eye(10, dtype=np.float32)[[1, 2, 3, 4]]
    losses, mask = np.float32([1, 2, 4, 8]), np.float32([1, 1, 1, 0])
    found = measure(losses, scores, np.array([1, 0, 3, 0]), mask)
    assert {name: (float(t), float(c)) for name, (t, c) in found.items()} == {
        "loss": (7.0, 3.0), "error": (1.0, 3.0)
    }  # fmt: skip
    assert to_figures({"loss": 2.0, "error": 0.25, "objective": 1.0}) == {
        "loss": 2.0, "error_percent": 25.0
    }  # fmt: skip


def test_the_net_of_2021_trains_with_dropout_and_moves_its_batch_statistics():
    net = ConvNet(maps=(2, 2), units=4)
    variables = jax.jit(net.init)(jax.random.key(0), IMAGES.images)
    params = variables.pop("params")
    loss = jax.jit(make_loss(Config(loss="cross_entropy"), net))
    keys = [jax.random.fold_in(jax.random.key(1), step) for step in (0, 0, 1)]
    losses, changed = zip(*(loss(params, variables, {}, IMAGES, key) for key in keys), strict=True)
    assert losses[0] == losses[1] != losses[2]
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), variables, changed[0][0])
    assert all(jax.tree.leaves(moved))

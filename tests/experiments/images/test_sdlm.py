"""Stochastic diagonal Levenberg-Marquardt: one update by hand, when h is estimated, and how."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import softmax

from data.images import Images
from experiments import lenet5
from experiments.images import lenet5_optimizer
from experiments.images.sdlm import (
    gauss_newton_diagonal,
    scale_by_curvature,
    stochastic_diagonal_levenberg_marquardt,
)
from nets.lenet import LeNet5, map_loss, mse_loss

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_one_update_by_hand():
    params = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
    grads = {"w": jnp.array([0.3, -0.1]), "b": jnp.array(2.0)}
    h = {"w": jnp.array([0.08, 0.0]), "b": jnp.array(0.48)}
    optimizer = stochastic_diagonal_levenberg_marquardt(0.1, lambda p, n: h, every=5, mu=0.02)
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    new = optax.apply_updates(params, updates)
    np.testing.assert_allclose(
        new["w"], [1.0 - 0.1 / (0.02 + 0.08) * 0.3, -2.0 - 0.1 / 0.02 * -0.1], rtol=1e-6
    )
    np.testing.assert_allclose(new["b"], 0.5 - 0.1 / (0.02 + 0.48) * 2.0, rtol=1e-6)


def test_curvature_is_estimated_at_each_pass_boundary_and_held_between():
    def estimate(params, number):
        return 100.0 * number + params

    optimizer = scale_by_curvature(estimate, every=3, mu=1.0)
    update = jax.jit(optimizer.update)
    params, state, curvatures = jnp.array(1.0), optimizer.init(jnp.array(1.0)), []
    for _ in range(8):
        updates, state = update(jnp.array(1.0), state, params)
        assert updates == pytest.approx(1 / (1 + float(state.curvature)))
        curvatures.append(float(state.curvature))
        params += 1
    assert curvatures == [1, 1, 1, 104, 104, 104, 207, 207]


@pytest.mark.parametrize("steps_per_pass", [1, 60_000])
def test_rates_by_pass_are_the_papers(steps_per_pass):
    config = types.SimpleNamespace(schedule="paper", learning_rate=5e-4)
    schedule = lenet5_optimizer.make_schedule(config, steps_per_pass)
    by_pass = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    for number, rate in enumerate(by_pass):
        first, last = number * steps_per_pass, (number + 1) * steps_per_pass - 1
        assert schedule(first) == pytest.approx(rate, rel=1e-5)
        assert schedule(last) == pytest.approx(rate, rel=1e-5)


def test_a_pass_ends_where_the_training_set_does(monkeypatch):
    """On 5 examples in batches of 2, both rate and curvature change after passes of 3 steps."""
    monkeypatch.setattr(
        lenet5_optimizer, "make_curvature_estimate", lambda *_: lambda params, n: n + 0.0
    )
    config = lenet5.Config(
        optimizer="sdlm", schedule="paper", batch_size=2, learning_rate=1.0, mu=1.0
    )
    images = Images(np.zeros((5, 28, 28), np.uint8), np.zeros(5, np.int32))
    optimizer = lenet5_optimizer.make_optimizer(config, LeNet5(), images)
    state, rates = optimizer.init(jnp.zeros(())), []
    for _ in range(7):
        update, state = optimizer.update(jnp.ones(()), state, jnp.zeros(()))
        rates.append(-float(update))
    np.testing.assert_allclose(rates, [1] * 3 + [1 / 2] * 3 + [0.4 / 3], rtol=1e-5)


TARGETS = np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])


def codes(zs):
    """Scores against three codes, as the radial basis units of LeNet-5 give them."""
    return -jnp.square(zs - TARGETS).sum(-1)


HEADS = {
    "map": lambda zs, label: map_loss(codes(zs)[None], label[None], 1.0)[0],
    "mse": lambda zs, label: mse_loss(codes(zs)[None], label[None])[0],
}
every_head = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
ZS = np.array([[0.3, -0.2], [1.1, 0.9], [-0.8, 0.1], [0.0, 0.0]], np.float32)
LABELS = np.array([0, 2, 1, 1])


def estimated(outputs, head, params):
    return jax.jit(lambda p: gauss_newton_diagonal(outputs, head, p, LABELS))(params)


@every_head
def test_second_derivatives_of_the_loss_equal_finite_differences(head):
    found = estimated(lambda zs: zs, head, ZS) * len(ZS)
    losses, step = jax.jit(jax.vmap(head)), 1e-2
    for k, shift in enumerate(step * np.eye(2, dtype=np.float32)):
        after, at, before = (np.float64(losses(ZS + d, LABELS)) for d in (shift, 0 * shift, -shift))
        np.testing.assert_allclose(found[:, k], (after - 2 * at + before) / step**2, atol=2e-2)


def test_second_derivative_of_equation_8_is_two():
    found = estimated(lambda zs: zs, HEADS["mse"], ZS)
    np.testing.assert_allclose(found * len(ZS), 2.0, rtol=1e-5)


@every_head
def test_the_estimate_is_the_mean_over_examples(head):
    def outputs(shift):
        return ZS + shift

    def mean_loss(shift):
        return jax.vmap(head)(outputs(shift), LABELS).mean()

    shift = np.zeros(2, np.float32)
    found = estimated(outputs, head, shift)  # the outputs are linear, so it is exact
    expected = jax.jit(jax.hessian(mean_loss))(shift)
    np.testing.assert_allclose(found, np.diag(expected), rtol=1e-5)


def test_curvature_of_equation_9_is_never_negative():
    """It is 2 p(rubbish) plus the variance of 2 (z - w_i) under p: by hand, at random states."""
    zs = np.random.default_rng(2).uniform(-2, 2, (50, 2)).astype(np.float32)
    curvature = jax.vmap(lambda z: jnp.diagonal(jax.hessian(HEADS["map"])(z, LABELS[0])))
    found = jax.jit(curvature)(zs)
    penalties = np.square(zs[:, None] - TARGETS).sum(-1)  # [50, 3]
    p = softmax(np.pad(-penalties, ((0, 0), (0, 1)), constant_values=-1.0), axis=1)
    slopes = np.pad(2 * (zs[:, None] - TARGETS), ((0, 0), (0, 1), (0, 0)))  # [50, 4, 2]
    mean = np.einsum("bi,bik->bk", p, slopes)
    variance = np.einsum("bi,bik->bk", p, np.square(slopes - mean[:, None]))
    np.testing.assert_allclose(found, 2 * p[:, -1:] + variance, rtol=1e-4, atol=1e-4)
    assert (found > -1e-5).all()


def test_each_estimate_for_lenet_5_draws_its_own_examples():
    config = lenet5.Config(curvature_examples=20, loss="map")
    images = Images(
        np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8),
        (np.arange(30) % 10).astype(np.int32),
    )
    net = LeNet5()
    shapes = jax.eval_shape(net.init, jax.random.key(0), images.images)["params"]
    random = np.random.default_rng(1)
    params = jax.tree.map(
        lambda leaf: random.uniform(-0.1, 0.1, leaf.shape).astype(np.float32), shapes
    )
    estimate = jax.jit(lenet5_optimizer.make_curvature_estimate(config, net, images))
    first, again, other = (estimate(params, n) for n in (0, 0, 1))
    for path, leaf in jax.tree.leaves_with_path(first):
        assert (leaf >= 0).all(), jax.tree_util.keystr(path)
    assert all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(again)))
    assert not np.array_equal(first["F6"]["weights"], other["F6"]["weights"])  # other examples

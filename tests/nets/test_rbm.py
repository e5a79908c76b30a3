"""Restricted Boltzmann machines: energies by enumeration, CD-1 by hand, unrolling."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.autoencoder import Autoencoder
from nets.rbm import RBM, unrolled

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_first_parameters():
    params = RBM(200, 300).init(jax.random.key(0))
    assert float(params["weights"].std()) == pytest.approx(0.1, rel=0.02)
    assert not params["visible_bias"].any() and not params["hidden_bias"].any()


def test_free_energy_sums_over_all_hidden_states(drawn):
    machine = RBM(4, 3)
    params = drawn(machine.init)
    vs = np.float32([[1, 0, 1, 1], [0, 0.3, 1, 0]])
    states = np.array([*itertools.product([0, 1], repeat=3)])  # [8, 3]
    energies = (
        -(vs @ params["visible_bias"])[:, None]
        - states @ params["hidden_bias"]
        - vs @ params["weights"] @ states.T
    )
    wanted = -np.log(np.exp(-energies).sum(1))
    np.testing.assert_allclose(machine.free_energy(params, vs), wanted, rtol=1e-5)
    mean = np.exp(-energies) @ states / np.exp(-energies).sum(1, keepdims=True)
    np.testing.assert_allclose(machine.hidden_mean(params, vs), mean, rtol=1e-5)


def test_free_energy_integrates_over_gaussian_units(drawn):
    machine = RBM(3, 1, gaussian=True)
    params, vs = drawn(machine.init), np.float32([1, 0, 0.5])
    hs = np.linspace(-12, 12, 20_001)
    drive = vs @ params["weights"][:, 0] + params["hidden_bias"][0]
    energies = np.square(hs) / 2 - hs * drive - vs @ params["visible_bias"]
    wanted = -np.log(np.exp(-energies).sum() * (hs[1] - hs[0]) / np.sqrt(2 * np.pi))
    assert float(machine.free_energy(params, vs)) == pytest.approx(float(wanted), rel=1e-4)


@pytest.mark.parametrize("gaussian", [False, True])
def test_the_gradient_is_cd_1_by_hand(drawn, gaussian):
    """As the authors' program: the first hidden units drawn, all else probabilities or means."""
    machine = RBM(5, 4, gaussian)
    params = drawn(machine.init)
    vs = np.random.default_rng(1).uniform(size=(6, 5)).astype(np.float32)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    mean = (lambda x: x) if gaussian else sigmoid

    def hidden(vs):
        return mean(vs @ params["weights"] + params["hidden_bias"])

    sample = np.asarray(machine.sample_hidden(params, vs, jax.random.key(3)))
    assert gaussian or set(np.unique(sample)) <= {0, 1}
    again = sigmoid(sample @ params["weights"].T + params["visible_bias"])
    change = {
        "weights": (vs.T @ hidden(vs) - again.T @ hidden(again)) / len(vs),
        "visible_bias": (vs - again).mean(0),
        "hidden_bias": (hidden(vs) - hidden(again)).mean(0),
    }

    def mean_contrast(params):
        contrasts, errors = machine.contrast(params, vs, jax.random.key(3))
        return contrasts.mean(), errors

    gradient, errors = jax.grad(mean_contrast, has_aux=True)(params)
    for name, wanted in change.items():
        np.testing.assert_allclose(-gradient[name], wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(errors, np.square(again - vs).sum(1), rtol=1e-5)


def test_samples_have_the_means_of_the_hidden_units(drawn):
    for gaussian in (False, True):
        machine = RBM(3, 2, gaussian)
        params = drawn(machine.init)
        vs = jnp.tile(jnp.float32([1, 0.5, 0]), (20_000, 1))
        sample = machine.sample_hidden(params, vs, jax.random.key(0))
        np.testing.assert_allclose(
            sample.mean(0), machine.hidden_mean(params, vs[0]), atol=0.03
        )


def test_unrolled_machines_are_an_autoencoder(drawn):
    machines = RBM(5, 4), RBM(4, 2, gaussian=True)
    stack = [drawn(machine.init) for machine in machines]
    model, params = Autoencoder((5, 4, 2)), unrolled(stack)
    like = jax.eval_shape(model.init, jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, like)
    vs = np.random.default_rng(0).uniform(size=(3, 5)).astype(np.float32)
    hidden = [machines[0].hidden_mean(stack[0], vs)]
    hidden.append(machines[1].hidden_mean(stack[1], hidden[0]))
    for found, wanted in zip(model.hidden(params, vs), hidden, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    down = machines[0].visible_mean(stack[0], machines[1].visible_mean(stack[1], hidden[1]))
    np.testing.assert_allclose(jax.nn.sigmoid(model.logits(params, vs)), down, rtol=1e-5)

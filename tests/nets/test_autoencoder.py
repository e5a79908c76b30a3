"""Autoencoders: the published counts, errors by hand, copies side by side, corruption."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.autoencoder import (
    UNITS,
    Autoencoder,
    cross_entropy,
    mask,
    salt_and_pepper,
    squared_error,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize(
    ("sizes", "count"), [((8, 3), 59), ((784, 1000, 500, 250, 30), 2_837_314)]
)
def test_parameter_count(sizes, count):
    params = jax.eval_shape(Autoencoder(sizes).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_layers_by_hand(drawn):
    model = Autoencoder((3, 2, 1), unit="logistic", code="linear")
    params, xs = drawn(model.init), np.float32([[0.2, 0.9, 0.0]])
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    e, d = params["encoder"], params["decoder"]
    code = sigmoid(xs @ e[0]["weights"] + e[0]["bias"]) @ e[1]["weights"] + e[1]["bias"]
    hidden = sigmoid(code @ d[0]["weights"] + d[0]["bias"])
    np.testing.assert_allclose(model.encode(params, xs), code, rtol=1e-5)
    np.testing.assert_allclose(
        model.logits(params, xs), hidden @ d[1]["weights"] + d[1]["bias"], rtol=1e-5
    )
    assert [h.shape for h in model.hidden(params, xs)] == [(1, 2), (1, 1)]


@pytest.mark.parametrize("unit", ["logistic", "tanh", "relu"])
def test_every_layer_learns(unit):
    model = Autoencoder((6, 5, 4, 2), unit)
    params, xs = model.init(jax.random.key(0)), jax.random.uniform(jax.random.key(1), (20, 6))
    grads = jax.grad(lambda params: cross_entropy(model.logits(params, xs), xs).sum())(params)
    assert all((leaf != 0).any() for leaf in jax.tree.leaves(grads))


def test_errors_by_hand():
    logits = jnp.log(jnp.float32([[1.0, 3.0], [1.0, 1.0]]))  # outputs 1/2, 3/4; 1/2, 1/2
    xs = jnp.float32([[1.0, 0.25], [0.5, 0.0]])
    np.testing.assert_allclose(squared_error(logits, xs), [0.25 + 0.25, 0.25], rtol=1e-6)
    nats = [np.log(2) - 0.25 * np.log(0.75) - 0.75 * np.log(0.25), 2 * np.log(2)]
    np.testing.assert_allclose(cross_entropy(logits, xs), nats, rtol=1e-6)


def test_a_sum_over_copies_gives_each_copy_its_own_gradient():
    model, xs = Autoencoder((8, 3), code="logistic"), jnp.eye(8)
    copies = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 3))

    def loss(params):
        return squared_error(model.logits(params, xs), xs).mean()

    together = jax.grad(lambda params: jax.vmap(loss)(params).sum())(copies)
    for n in range(3):
        one, alone = (jax.tree.map(lambda leaf, n=n: leaf[n], tree) for tree in (copies, together))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
            jax.grad(loss)(one), alone,
        )  # fmt: skip


def test_the_first_layers_keep_the_variance():
    """Through many layers of each unit, the outputs neither vanish nor explode."""
    xs = jax.random.uniform(jax.random.key(1), (100, 200))
    for unit in sorted(set(UNITS) - {"linear"}):
        model = Autoencoder((200,) * 6, unit)
        deep = model.encode(model.init(jax.random.key(0)), xs)
        assert 0.05 < float(deep.std(0).mean() / xs.std(0).mean()) < 20, unit


def test_corruption():
    xs = jnp.full((200, 500), 0.4)
    masked = mask(jax.random.key(0), xs, 0.25)
    assert {*np.unique(masked).tolist()} == {0.0, np.float32(0.4)}
    assert float((masked == 0).mean()) == pytest.approx(0.25, abs=0.005)
    noisy = salt_and_pepper(jax.random.key(0), xs, 0.2)
    for value, share in ((0.0, 0.1), (1.0, 0.1), (np.float32(0.4), 0.8)):
        assert float((noisy == value).mean()) == pytest.approx(share, abs=0.005)
    for corrupt in (mask, salt_and_pepper):
        np.testing.assert_array_equal(corrupt(jax.random.key(0), xs, 0.0), xs)

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.training.norm import clip_by_norm, norm, squares


@pytest.mark.parametrize(
    "shape", [(), (0,), (7,), (100, 3), (65_535,), (256, 256), (65_537,), (300, 331)]
)
def test_squares_agree_with_numpy(shape):
    x = np.asarray(np.random.default_rng(0).normal(size=shape), np.float32)
    x.ravel()[-1:] = 1000.0  # what the slices leave over counts too
    assert jax.jit(squares)(x) == pytest.approx(np.square(x, dtype=np.float64).sum(), rel=2e-5)


def test_norm_is_of_the_whole_tree():
    assert norm({"a": jnp.array([3.0]), "b": [jnp.array([[0.0, 4.0]])]}) == 5


@pytest.mark.parametrize("length", [0.5, 2.0, 8.0])
def test_gradients_are_clipped_as_by_optax(length):
    random = np.random.default_rng(1)
    grads = {"w": random.normal(size=(3, 4)), "b": random.normal(size=4)}
    scale = length / optax.tree.norm(grads)
    grads = jax.tree.map(lambda g: jnp.float32(g * scale), grads)
    ours, theirs = (rule.update(grads, rule.init(grads))[0]
                    for rule in (clip_by_norm(2.5), optax.clip_by_global_norm(2.5)))  # fmt: skip
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, theirs)
    assert norm(ours) == pytest.approx(min(length, 2.5), rel=1e-6)

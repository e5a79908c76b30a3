"""The codes that an autoencoder is measured against: PCA and logistic PCA, with as many numbers.

The error is the squared error of a test image, pixels from 0 to 1, summed over its pixels. PCA's
is of the reconstruction as it comes, which may lie outside [0, 1]. Logistic PCA has two: one with a
linear encoder, that is an autoencoder without hidden layers, which is what gives about the figure
of Hinton and Salakhutdinov (2006); and one with the code that suits each image best.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.batches import batch_indices
from nets import logistic_pca
from nets.autoencoder import Autoencoder, cross_entropy

CHUNK = 2000  # images at a time
STEPS, BATCH, BLOCK, RATE = 9000, 100, 300, 3e-3  # of Adam, for the linear encoder
LONGEST = 64  # numbers in a code of logistic PCA: the cost of the best grows with their square
MOST, SWEEPS, CODE_STEPS = 10_000, 20, 15  # for the best codes


class Components(NamedTuple):
    """Principal components: the mean [D] and orthonormal directions [K, D], the largest first."""

    mean: np.ndarray
    directions: np.ndarray

    def codes(self, xs: np.ndarray) -> np.ndarray:
        """Examples [N, D] to codes [N, K]."""
        return (xs - self.mean) @ self.directions.T

    def reconstructed(self, xs: np.ndarray) -> np.ndarray:
        """Examples [N, D] as their codes give them back: [N, D]."""
        return self.codes(xs) @ self.directions + self.mean


def principal_components(xs: np.ndarray, size: int) -> Components:
    """The `size` directions in which examples [N, D] vary most; fewer, if D is smaller."""
    mean = xs.mean(0, dtype=np.float64)
    covariance = np.zeros((xs.shape[1], xs.shape[1]))
    for first in range(0, len(xs), CHUNK):
        centred = xs[first : first + CHUNK] - mean
        covariance += centred.T @ centred
    _, vectors = np.linalg.eigh(covariance)  # the smallest first
    return Components(mean, vectors[:, ::-1][:, :size].T)


def squared_error(reconstructed: np.ndarray, xs: np.ndarray) -> float:
    """The mean over the examples of the squared error, summed over the last axis."""
    return float(np.square(reconstructed - xs).sum(-1).mean())


def linear_codes(train: np.ndarray, test: np.ndarray, size: int, seed: int) -> dict:
    """Reconstructions of test images [M, D] from codes of `size` numbers, by method.

    The methods are fitted to training images [N, D]. Of codes of more than `LONGEST` numbers
    there is PCA's alone.
    """
    components = principal_components(train, size)
    found = {"pca": components.reconstructed(test).astype(np.float32)}
    if size <= LONGEST:
        found["logistic_pca"] = with_linear_encoder(train, test, size, seed)
        found["logistic_pca_best_codes"] = with_best_codes(train[:MOST], test, components)
    return found


def with_linear_encoder(train: np.ndarray, test: np.ndarray, size: int, seed: int) -> np.ndarray:
    """The test images as an autoencoder without hidden layers gives them back."""
    model = Autoencoder((train.shape[1], size))
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))

    def step(carried, xs):
        params, state = carried
        grads = jax.grad(lambda params: cross_entropy(model.logits(params, xs), xs).mean())(params)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), None

    steps = jax.jit(lambda carried, block: jax.lax.scan(step, carried, block)[0])
    params = model.init(jax.random.key(seed))
    carried = params, optimizer.init(params)
    for first in range(0, STEPS, BLOCK):
        rows = batch_indices(seed, first, min(BLOCK, STEPS - first), BATCH, len(train))
        carried = steps(carried, train[rows])
    return np.asarray(jax.nn.sigmoid(jax.jit(model.logits)(carried[0], test)))


def with_best_codes(train: np.ndarray, test: np.ndarray, start: Components) -> np.ndarray:
    """The test images as logistic PCA, begun at the principal components, gives them back."""
    better = jax.jit(logistic_pca.improved_codes)
    params = fitted(train, start, better)
    found = []
    for first in range(0, len(test), CHUNK):
        xs = test[first : first + CHUNK]
        codes = jnp.zeros((len(xs), len(start.directions)))
        for _ in range(CODE_STEPS):
            codes = better(params, codes, xs)
        found.append(np.asarray(jax.nn.sigmoid(logistic_pca.logits(params, codes))))
    return np.concatenate(found)


def fitted(train: np.ndarray, start: Components, better) -> logistic_pca.Params:
    """The weights and bias after `SWEEPS` through the training images."""
    codes = start.codes(train).astype(np.float32)
    params = {"weights": jnp.float32(4 * start.directions),
              "bias": jnp.float32(4 * (start.mean - 0.5))}  # fmt: skip
    sums_of = jax.jit(logistic_pca.component_sums)
    solve = jax.jit(logistic_pca.improved_components)
    for _ in range(SWEEPS):
        sums = []
        for first in range(0, len(train), CHUNK):
            rows = slice(first, first + CHUNK)
            codes[rows] = better(params, codes[rows], train[rows])
            sums.append(sums_of(params, codes[rows], train[rows]))
        params = solve(*jax.tree.map(lambda *parts: sum(parts), *sums))
    return params

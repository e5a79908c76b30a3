"""The codes that an autoencoder is measured against: PCA and logistic PCA, with as many numbers.

The error is the squared error of a test image, pixels from 0 to 1, summed over its pixels. PCA's
is of the reconstruction as it comes, which may lie outside [0, 1].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nets import logistic_pca

CHUNK = 2000  # images at a time
MOST = 20_000  # training images for logistic PCA: its few parameters need no more
SWEEPS, CODE_STEPS = 25, 25


class LinearCodes(NamedTuple):
    """Reconstructions [N, D] of the test images by either method."""

    pca: np.ndarray
    logistic_pca: np.ndarray


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


def linear_codes(train: np.ndarray, test: np.ndarray, size: int) -> LinearCodes:
    """Codes of `size` numbers fitted to training images [N, D], applied to test images [M, D]."""
    components = principal_components(train, size)
    return LinearCodes(
        components.reconstructed(test), logistic_reconstructions(train[:MOST], test, components)
    )


def logistic_reconstructions(train: np.ndarray, test: np.ndarray, start: Components) -> np.ndarray:
    """The test images as logistic PCA, begun at the principal components, gives them back."""
    codes = start.codes(train).astype(np.float32)
    params = {"weights": jnp.float32(4 * start.directions),
              "bias": jnp.float32(4 * (start.mean - 0.5))}  # fmt: skip
    better = jax.jit(logistic_pca.improved_codes)
    sums_of = jax.jit(logistic_pca.component_sums)
    solve = jax.jit(logistic_pca.improved_components)
    for _ in range(SWEEPS):
        sums = None
        for first in range(0, len(train), CHUNK):
            rows = slice(first, first + CHUNK)
            codes[rows] = better(params, codes[rows], train[rows])
            part = sums_of(params, codes[rows], train[rows])
            sums = part if sums is None else jax.tree.map(jnp.add, sums, part)
        params = solve(*sums)
    found = []
    for first in range(0, len(test), CHUNK):
        xs = test[first : first + CHUNK]
        us = jnp.zeros((len(xs), len(params["weights"])))
        for _ in range(CODE_STEPS):
            us = better(params, us, xs)
        found.append(np.asarray(jax.nn.sigmoid(logistic_pca.logits(params, us))))
    return np.concatenate(found)

"""Logistic PCA: principal components of values between 0 and 1 (Schein, Saul, Ungar 2003).

    p = sigmoid(u V + b),   u the code of one example, V and b shared by all

minimises the cross-entropy of the examples, each with the code that suits it best, plus
ridge / 2 (u^2 + V^2 + b^2), without which the bias of a pixel that is always 0 has no minimum.
Jaakkola and Jordan's bound (2000) of the logistic function,

    softplus(t) <= w(s) (t^2 - s^2) / 2 + (t - s) / 2 + softplus(s),   w(s) = tanh(s / 2) / (2 s),

is quadratic in t and touches it at s: minimising it in u, then in V and b, is least squares, and
neither step can raise the loss.
"""

import jax
import jax.numpy as jnp

from .affine import linear
from .autoencoder import cross_entropy

RIDGE = 1e-3
Params = dict[str, jax.Array]


def logits(params: Params, codes: jax.Array) -> jax.Array:
    """Codes [N, K] to the logits of the examples [N, D]."""
    return linear(params, codes)


def curvatures(logits: jax.Array) -> jax.Array:
    """w of the bound at logits [...], which is 1/4 at 0: [...]."""
    safe = jnp.where(jnp.abs(logits) < 1e-3, 1.0, logits)
    return jnp.where(jnp.abs(logits) < 1e-3, 0.25, jnp.tanh(safe / 2) / (2 * safe))


def loss(params: Params, codes: jax.Array, xs: jax.Array) -> jax.Array:
    """What is minimised, for examples [N, D]: the cross-entropy and the ridge."""
    scores = logits(params, codes)
    squares = sum(jnp.square(x).sum() for x in (codes, params["weights"], params["bias"]))
    return cross_entropy(scores, xs).sum() + RIDGE / 2 * squares


def improved_codes(params: Params, codes: jax.Array, xs: jax.Array) -> jax.Array:
    """Better codes [N, K] for examples [N, D] by one step of the bound."""
    weights = params["weights"]  # [K, D]
    w = curvatures(logits(params, codes))
    size = len(weights)
    products = (weights[:, None] * weights[None]).reshape(size * size, -1)
    hessians = (w @ products.T).reshape(-1, size, size) + RIDGE * jnp.eye(size)
    sums = (xs - 0.5 - w * params["bias"]) @ weights.T
    return jnp.linalg.solve(hessians, sums[..., None])[..., 0]


def component_sums(
    params: Params, codes: jax.Array, xs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """What `improved_components` needs of some examples [N, D]; those of several parts add up.

    Returns:
      The Hessians [D, K + 1, K + 1] and the right-hand sides [D, K + 1] of each pixel.
    """
    w = curvatures(logits(params, codes))
    inputs = jnp.concatenate([codes, jnp.ones((len(codes), 1))], 1)
    size = inputs.shape[1]
    products = (inputs[:, :, None] * inputs[:, None]).reshape(-1, size * size)
    return (w.T @ products).reshape(-1, size, size), (xs - 0.5).T @ inputs


def improved_components(hessians: jax.Array, sums: jax.Array) -> Params:
    """Better weights [K, D] and bias [D] by one step of the bound."""
    ridge = RIDGE * jnp.eye(hessians.shape[-1])
    solved = jnp.linalg.solve(hessians + ridge, sums[..., None])[..., 0]
    return {"weights": solved[:, :-1].T, "bias": solved[:, -1]}

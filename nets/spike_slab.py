"""Spike-and-slab sparse coding (S3C): whether a function is used, and how much. | Goodfellow 2012

    p(h_i = 1) = sigmoid(b_i)        s_i | h_i ~ N(mu_i h_i, 1 / alpha_i)
    x | s, h ~ N(sum_i h_i s_i w_i, 1 / beta)        |w_i| = 1

What the patch x says about h and s is approximated by q = prod_i q(h_i) q(s_i | h_i): the share
H_i = q(h_i = 1) and the mean S_i of s_i given h_i = 1. Damped parallel fixed-point steps bring both
to where they maximise the lower bound of ln p(x); the parameters then follow its gradient, H and S
held (variational EM). The names are those of the authors' program.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .sparse_coding import init_bases, unit_rows

Params = dict[str, jax.Array]
PRECISIONS = (0.1, 40.0)  # the limits of alpha and beta: with less noise, codes are less sparse
LARGEST_MEAN = 5.0  # of mu


class Posterior(NamedTuple):
    """The approximate posterior of patches, [B, N] each."""

    used: jax.Array  # H
    mean: jax.Array  # S


class Model(NamedTuple):
    """The quantities of the formulas above."""

    bases: jax.Array  # W [N, P], rows of norm 1
    bias: jax.Array  # b [N]
    mean: jax.Array  # mu [N]
    slab: jax.Array  # alpha [N]
    noise: jax.Array  # beta [P]


def init_params(
    key: jax.Array, functions: int, pixels: int, *, bias: float, slab: float, noise: float
) -> Params:
    """White noise for W, mu 0, and the given b, alpha and beta everywhere."""
    return {
        "bases": init_bases(key, functions, pixels),
        "bias": jnp.full(functions, float(bias)),
        "mean": jnp.zeros(functions),
        "log_slab": jnp.full(functions, jnp.log(slab)),
        "log_noise": jnp.full(pixels, jnp.log(noise)),
    }


def model(params: Params) -> Model:
    """W with rows of norm 1, and mu, alpha and beta within their limits."""
    least, most = PRECISIONS
    return Model(
        unit_rows(params["bases"]), params["bias"],
        jnp.clip(params["mean"], -LARGEST_MEAN, LARGEST_MEAN),
        jnp.clip(jnp.exp(params["log_slab"]), least, most),
        jnp.clip(jnp.exp(params["log_noise"]), least, most),
    )  # fmt: skip


def infer(params: Params, patches: jax.Array, iterations: int, damping: float = 0.5) -> Posterior:
    """The posterior of patches [B, P] after steps that each go `1 - damping` of the way."""
    m = model(params)
    gram = (m.bases * m.noise) @ m.bases.T  # W beta W^T [N, N]
    drive = (patches * m.noise) @ m.bases.T  # [B, N]

    def iterate(_, q):
        # What of the patch is left to each function, once all the others are taken away.
        left = drive - (q.used * q.mean) @ gram + q.used * q.mean * jnp.diag(gram)
        mean = (m.mean * m.slab + left) / (m.slab + jnp.diag(gram))
        mean = q.mean + (1 - damping) * (mean - q.mean)
        left = drive - (q.used * mean) @ gram + q.used * mean * jnp.diag(gram)
        used = jax.nn.sigmoid(_logit(m, gram, left, mean))
        return Posterior(q.used + (1 - damping) * (used - q.used), mean)

    first = jnp.broadcast_to(jax.nn.sigmoid(m.bias), drive.shape)
    start = Posterior(first, jnp.broadcast_to(m.mean, drive.shape))
    return jax.lax.fori_loop(0, iterations, iterate, start)


def _logit(m: Model, gram: jax.Array, left: jax.Array, mean: jax.Array) -> jax.Array:
    """ln H / (1 - H) where the bound is largest, for means S held."""
    precision = m.slab + jnp.diag(gram)
    return (
        m.bias + (left - mean * jnp.diag(gram) / 2) * mean - m.slab * (mean - m.mean) ** 2 / 2
        + (jnp.log(m.slab) - jnp.log(precision)) / 2
    )  # fmt: skip


def lower_bound(params: Params, patches: jax.Array, q: Posterior) -> jax.Array:
    """E_q ln p(x, s, h) + the entropy of q, for each patch [B]: at most ln p(x), in nats."""
    m = model(params)
    strength = (m.bases**2) @ m.noise  # w_i beta w_i [N]
    variance = 1 / (m.slab + strength)  # of s_i given that h_i = 1
    codes = q.used * q.mean
    spread = q.used * (variance + q.mean**2) - codes**2  # of h_i s_i
    residuals = patches - codes @ m.bases
    fit = jnp.log(m.noise / (2 * jnp.pi)).sum() / 2 - (
        (residuals**2) @ m.noise + spread @ strength
    ) / 2  # fmt: skip
    spikes = q.used * m.bias - jax.nn.softplus(m.bias) + _entropy(q.used)
    ratio = m.slab * variance
    slabs = q.used * (ratio + m.slab * (q.mean - m.mean) ** 2 - 1 - jnp.log(ratio)) / 2
    return fit + (spikes - slabs).sum(1)


def _entropy(p: jax.Array) -> jax.Array:
    """Of coins that fall to 1 with probability p, in nats."""
    return jax.scipy.special.entr(p) + jax.scipy.special.entr(1 - p)

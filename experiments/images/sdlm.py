"""Stochastic diagonal Levenberg-Marquardt: an individual learning rate for every weight.

LeCun et al. 1998, section III.B and appendix C:  w_k <- w_k - eta / (mu + h_kk) dE/dw_k, with
h_kk the diagonal of the Gauss-Newton approximation of the Hessian (for a shared weight the sum over
its connections), averaged over some training examples before each pass and then kept.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Tree = Any


class CurvatureState(NamedTuple):
    """The number of steps so far, and the current estimate h."""

    count: jax.Array  # int32 []
    curvature: Tree  # in the structure of the parameters


def scale_by_curvature(
    estimate: Callable[[Tree, jax.Array], Tree], every: int, mu: float
) -> optax.GradientTransformation:
    """Divides each gradient by mu + h, with h the curvature of its parameter.

    Args:
      estimate: `estimate(params, n)` is the n-th estimate of h, in the structure of `params`.
      every: the number of steps between estimates, one pass.
      mu: keeps the step size finite where the error surface is flat.
    """

    def init(params):
        return CurvatureState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def update(updates, state, params):
        curvature = jax.lax.cond(
            state.count % every == 0,
            lambda: estimate(params, state.count // every),
            lambda: state.curvature,
        )
        updates = jax.tree.map(lambda g, h: g / (mu + h), updates, curvature)
        return updates, CurvatureState(state.count + 1, curvature)

    return optax.GradientTransformation(init, update)


def stochastic_diagonal_levenberg_marquardt(
    learning_rate: optax.ScalarOrSchedule,
    estimate: Callable[[Tree, jax.Array], Tree],
    every: int,
    mu: float = 0.02,
) -> optax.GradientTransformation:
    """The paper's optimiser of LeNet-5: updates are -eta / (mu + h) times the gradient."""
    return optax.chain(
        scale_by_curvature(estimate, every, mu), optax.scale_by_learning_rate(learning_rate)
    )


def gauss_newton_diagonal(
    outputs: Callable[[Tree], jax.Array],
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    params: Tree,
    labels: jax.Array,
) -> Tree:
    """The diagonal h for the parameters of a net, the mean over examples.

    Args:
      outputs: from the parameters to the inputs of the loss, [B, D]; its layers follow
        `nets.differentiation.CURVATURE`, whose backward pass carries second derivatives.
      loss: of one example, from its outputs [D] and its label.
      params: the point at which the curvature is taken.
      labels: of the examples, [B].
    """

    def second_derivatives(zs, label):
        return jnp.diagonal(jax.hessian(loss)(zs, label))  # [D]

    zs, backward = jax.vjp(outputs, params)
    return backward(jax.vmap(second_derivatives)(zs, labels) / len(zs))[0]

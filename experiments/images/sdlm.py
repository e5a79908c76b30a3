"""Stochastic diagonal Levenberg-Marquardt: a learning rate of its own for every weight.

LeCun et al. 1998, section III.B and appendix C:  w_k <- w_k - eta / (mu + h_kk) dE/dw_k, with
h_kk the diagonal of the Gauss-Newton approximation of the Hessian, for a shared weight the sum
over its connections, averaged over some training examples before each pass and then held.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Tree = Any


class CurvatureState(NamedTuple):
    """The steps made, and the estimate h in force."""

    count: jax.Array  # int32 []
    curvature: Tree  # as the parameters


def scale_by_curvature(
    estimate: Callable[[Tree, jax.Array], Tree], every: int, mu: float
) -> optax.GradientTransformation:
    """Divides each gradient by mu + h, its own curvature.

    Args:
      estimate: `estimate(params, n)` is h, as the n-th estimate makes it; as the parameters.
      every: steps from one estimate to the next: a pass.
      mu: keeps the rate finite where the error is flat.
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
    """The optimiser of LeNet-5: -eta / (mu + h) times the gradient."""
    return optax.chain(
        scale_by_curvature(estimate, every, mu), optax.scale_by_learning_rate(learning_rate)
    )


def gauss_newton_diagonal(
    outputs: Callable[[Tree], jax.Array],
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    params: Tree,
    labels: jax.Array,
) -> Tree:
    """The diagonal h of the mean over examples, for the parameters of a net.

    Args:
      outputs: from parameters to what enters the loss, [B, D]; built of layers that follow
        `nets.differentiation.CURVATURE`, whose backward pass carries second derivatives.
      loss: of one example, from its outputs [D] and its label.
      params: where to take the curvature.
      labels: of the examples, [B].
    """

    def second_derivatives(zs, label):
        return jnp.diagonal(jax.hessian(loss)(zs, label))  # [D]

    zs, backward = jax.vjp(outputs, params)
    return backward(jax.vmap(second_derivatives)(zs, labels) / len(zs))[0]

"""Two backward passes through the same net: of first derivatives, and of second ones.

Back-propagation multiplies the derivative at a unit's output by f'(a) and by the weights. The
Gauss-Newton approximation of the second derivative travels the same way, with each factor
squared (LeCun et al. 1998, appendix C; LeCun 1987):

    d2E/da_i^2  ~  f'(a_i)^2  sum_k u_ki^2  d2E/da_k^2        through weights u and units f
    d2E/du_ij^2 ~  d2E/da_i^2  x_j^2                          for a connection; a shared weight
                                                              adds up its connections

A layer that writes its weighted sums as `rule.linear(f)(weights, x)` and its non-linearities as
`rule.pointwise(f)(a)` can be differentiated by either rule. Sums, padding, reshapes and biases
need no wrapping: their coefficients are 0 or 1 and so equal their squares.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Rule(NamedTuple):
    """The backward passes of a layer's parts: each field maps a function to one with that pass."""

    linear: Callable[[Callable], Callable]
    pointwise: Callable[[Callable], Callable]


def _squared_coefficients(f: Callable) -> Callable:
    """The function `f(weights, x)`, linear in each, with its squares in the backward pass."""

    @jax.custom_vjp
    def wrapped(weights, x):
        return f(weights, x)

    def forward(weights, x):
        return f(weights, x), (weights, x)

    def backward(operands, curvature):
        weights, x = operands
        return jax.vjp(f, jnp.square(weights), jnp.square(x))[1](curvature)

    wrapped.defvjp(forward, backward)
    return wrapped


def _squared_slope(f: Callable) -> Callable:
    """The elementwise function `f(a)` with f'(a)^2 in the backward pass."""

    @jax.custom_vjp
    def wrapped(a):
        return f(a)

    def forward(a):
        return f(a), a

    def backward(a, curvature):
        _, times_slope = jax.vjp(f, a)
        return times_slope(times_slope(curvature)[0])

    wrapped.defvjp(forward, backward)
    return wrapped


GRADIENT = Rule(linear=lambda f: f, pointwise=lambda f: f)
CURVATURE = Rule(linear=_squared_coefficients, pointwise=_squared_slope)

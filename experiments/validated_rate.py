"""A learning rate that falls when the validation says so (Mikolov et al. 2010).

The rate stays as it is while each pass makes the validation text's probability clearly larger.
After the first pass that does not, and after every pass from then on, it is halved. The paper
stops when a halved rate helps no more; here the number of passes is given, and what is left of
the rate decides little. Its program also undoes a pass that makes the validation worse; here the
lower rate goes on from there.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

# rnnlm's min_improvement: the logarithm of the probability has to shrink by this factor
LEAST_IMPROVEMENT = 1.003


class Judged(NamedTuple):
    """The rate's state: a part of the optimiser's, so that a checkpoint holds it."""

    scale: jax.Array  # of the first learning rate
    last: jax.Array  # the validation's mean surprise at the last evaluation
    falling: jax.Array  # whether the rate has begun to fall


def scale_by_validation() -> optax.GradientTransformation:
    """Updates times the scale that `judged` sets."""

    def init(params):
        return Judged(jnp.ones(()), jnp.full((), jnp.inf, jnp.float32), jnp.zeros((), bool))

    def update(updates, state, params=None):
        return jax.tree.map(lambda u: state.scale * u, updates), state

    return optax.GradientTransformation(init, update)


def judged(opt_state, surprise: float, decay: float):
    """An optimiser's state after an evaluation.

    Args:
      opt_state: of a chain with `scale_by_validation` in it; without, nothing happens.
      surprise: -ln p on the validation part, its mean.
      decay: factor of the rate.
    """

    def judge(state):
        if not isinstance(state, Judged):
            return state
        falling = bool(state.falling) or surprise * LEAST_IMPROVEMENT > float(state.last)
        scale = float(state.scale) * (decay if falling else 1.0)
        new = Judged(jnp.float32(scale), jnp.float32(surprise), jnp.asarray(falling))
        return jax.tree.map(lambda x, old: jax.device_put(x, old.sharding), new, state)

    return jax.tree.map(judge, opt_state, is_leaf=lambda node: isinstance(node, Judged))

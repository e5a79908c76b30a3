"""A learning rate that falls when the validation says so (Mikolov et al. 2010).

The rate stays as it is while each evaluation finds the validation text clearly likelier. From the
first one on that does not, each multiplies it by `--decay`: 0.5 in the paper, which evaluates
after every pass. The paper stops when a lower rate helps no more; here the number of steps is
given, and what is left of the rate decides little. Its program also undoes a pass that makes the
validation worse; here the lower rate goes on from there.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.runtime.mesh import placed_like
from experiments.runtime.processes import from_first
from experiments.training.kept import Candidate, Offer, lowest
from experiments.training.loop import TrainState

# rnnlm's min_improvement: the logarithm of the probability has to shrink by this factor
LEAST_IMPROVEMENT = 1.003


class ValidatedRate(NamedTuple):
    """A part of the optimiser's state, so that a checkpoint holds it."""

    scale: jax.Array  # of the first learning rate
    last: jax.Array  # the validation's mean surprise at the last evaluation
    falling: jax.Array  # whether the rate has begun to fall


def scale_by_validation() -> optax.GradientTransformation:
    """Updates times the scale that `rescale` sets."""

    def init(params):
        return ValidatedRate(jnp.ones(()), jnp.full((), jnp.inf, jnp.float32), jnp.array(False))

    def update(updates, state, params=None):
        return jax.tree.map(lambda u: state.scale * u, updates), state

    return optax.GradientTransformation(init, update)


def _is_rate(part) -> bool:
    return isinstance(part, ValidatedRate)


def rescale(state: TrainState, surprise: float, decay: float) -> TrainState:
    """The state after an evaluation.

    Args:
      state: its optimiser is a chain with `scale_by_validation` in it.
      surprise: -ln p on the validation part, its mean; of several processes that of process 0
        counts, since unlike processors may differ in its last bit.
      decay: factor of a falling rate.
    """
    surprise = np.frombuffer(from_first(np.float32(surprise).tobytes()), np.float32)[0]

    def rescaled(part):
        if not _is_rate(part):
            return part
        falling = bool(part.falling) or surprise * LEAST_IMPROVEMENT > float(part.last)
        scale = np.float32(float(part.scale) * (decay if falling else 1.0))
        return placed_like(part, ValidatedRate(scale, surprise, np.array(falling)))

    return state.replace(opt_state=jax.tree.map(rescaled, state.opt_state, is_leaf=_is_rate))


def has_stalled(state: TrainState, surprise: float) -> bool:
    """Whether a rate that had begun to fall made the validation part hardly likelier."""
    (rate,) = (x for x in jax.tree.leaves(state.opt_state, is_leaf=_is_rate) if _is_rate(x))
    return bool(rate.falling) and bool(surprise * LEAST_IMPROVEMENT > float(rate.last))


def make_offer(config) -> Offer:
    """Keeps the language model with the lowest perplexity of the validation part.

    Under this schedule `--patience` counts the evaluations at which a lower rate helped no more:
    the paper's program stops at the first of them.
    """
    best = lowest("perplexity")
    if config.schedule != "validation":
        return best

    def offer(state: TrainState, splits) -> dict[str, Candidate]:
        stalled = has_stalled(state, np.float32(np.log(splits["valid"]["perplexity"])))
        return {n: one._replace(stalled=stalled) for n, one in best(state, splits).items()}

    return offer


def make_rescale(config) -> Callable[[TrainState, dict[str, dict[str, float]]], TrainState]:
    """What a language model's evaluation changes in its state: nothing but by this schedule."""
    if config.schedule != "validation":
        return lambda state, splits: state
    return lambda state, splits: rescale(state, np.log(splits["valid"]["perplexity"]), config.decay)

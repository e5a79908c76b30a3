"""A learning rate that falls when validation improves too little (Mikolov et al. 2010).

The rate is constant as long as each evaluation finds the validation text clearly more likely. From
the first evaluation that does not, every one multiplies it by `--decay`: 0.5 in the paper, which
evaluates after every pass. With `--patience=1` training ends, as the paper's does, when a lower
rate no longer helps. Its program also undoes a pass that makes validation worse; here training
continues from there at the lower rate, and the best net is kept.
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

# rnnlm's min_improvement: the log-probability must shrink by this factor
LEAST_IMPROVEMENT = 1.003


class ValidatedRate(NamedTuple):
    """A part of the optimiser's state, so that a checkpoint holds it."""

    scale: jax.Array  # of the initial learning rate
    last: jax.Array  # the mean validation surprisal at the last evaluation
    falling: jax.Array  # whether the rate has begun to fall


def scale_by_validation() -> optax.GradientTransformation:
    """Multiplies updates by the scale that `rescale` sets."""

    def init(params):
        return ValidatedRate(jnp.ones(()), jnp.full((), jnp.inf, jnp.float32), jnp.array(False))

    def update(updates, state, params=None):
        return jax.tree.map(lambda u: state.scale * u, updates), state

    return optax.GradientTransformation(init, update)


def _is_rate(part) -> bool:
    return isinstance(part, ValidatedRate)


def rescale(state: TrainState, surprisal: float, decay: float) -> TrainState:
    """The state after an evaluation.

    Args:
      state: its optimiser is a chain with `scale_by_validation` in it.
      surprisal: the mean of -ln p on the validation part; all processes use that of process 0,
        since processors of different kinds may differ in the last bit.
      decay: factor by which the rate falls.
    """
    surprisal = np.frombuffer(from_first(np.float32(surprisal).tobytes()), np.float32)[0]

    def rescaled(part):
        if not _is_rate(part):
            return part
        falling = bool(part.falling) or surprisal * LEAST_IMPROVEMENT > float(part.last)
        scale = np.float32(float(part.scale) * (decay if falling else 1.0))
        return placed_like(part, ValidatedRate(scale, surprisal, np.array(falling)))

    return state.replace(opt_state=jax.tree.map(rescaled, state.opt_state, is_leaf=_is_rate))


def has_stalled(state: TrainState, surprisal: float) -> bool:
    """Whether a rate that had begun to fall made the validation part hardly likelier."""
    (rate,) = (x for x in jax.tree.leaves(state.opt_state, is_leaf=_is_rate) if _is_rate(x))
    return bool(rate.falling) and bool(surprisal * LEAST_IMPROVEMENT > float(rate.last))


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
    """How an evaluation changes a language model's state: only by `--schedule=validation`."""
    if config.schedule != "validation":
        return lambda state, splits: state
    return lambda state, splits: rescale(state, np.log(splits["valid"]["perplexity"]), config.decay)

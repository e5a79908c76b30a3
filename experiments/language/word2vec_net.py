"""The net of word2vec as a run's options describe it, and its step in the training loop."""

from collections.abc import Callable

import jax.numpy as jnp

from experiments.training.loop import Ratio, Step, Tree
from experiments.training.norm import norm
from experiments.training.precision import in_precision
from nets.word2vec import Block, Word2vec

LOWEST_RATE = 1e-4  # the last rate over the first


def make_model(config, words: int) -> Word2vec:
    """The net for a vocabulary of `words`."""
    return Word2vec(words, config.size, config.cbow, config.negative, config.hs)


def make_step(
    model: Word2vec, rate: float, num_steps: int, dtype: str,
    replicate: Callable[[Tree], Tree] = lambda tree: tree,
) -> Step:
    """A step of gradient descent on the summed loss of a batch of blocks.

    Args:
      model: the net.
      rate: that of the first step; it falls linearly to almost 0 at the last.
      num_steps: of the whole run.
      dtype: of the operands of products.
      replicate: puts what the devices have found on all of them.

    The figure `parameter_norm` is that of the rows that the step has read: the whole tables would
    take longer to go through than the step does.
    """
    gradient = in_precision(dtype, lambda rows, blocks: tuple(model.gradient(rows, blocks)))

    def step(state, batch):
        blocks = Block(*batch)
        indices = model.indices(blocks)
        rows = {name: state.params[name][where] for name, where in indices.items()}
        sums, grads = gradient(rows, blocks)
        now = rate * jnp.maximum(1 - state.step / num_steps, LOWEST_RATE)
        params = model.moved(state.params, replicate(indices), replicate(grads), now)
        one = jnp.ones(())
        metrics = {
            "loss": Ratio(*sums),
            "objective": Ratio(sums.loss, one),
            "parameter_norm": Ratio(norm(rows), one),
        }
        return state.replace(step=state.step + 1, params=params), metrics

    return step

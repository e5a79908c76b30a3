"""What running text needs of the loop: the windows, the loss with a carried state, evaluation."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optax import softmax_cross_entropy_with_integer_labels

from data.batches import windows
from experiments.train import Ratio, block_of_batches
from nets.language_model import LanguageModel
from nets.masks import blank

EVALUATION_WINDOW = 500


class Window(NamedTuple):
    """What one step reads: symbols [B, T + 1], and whether a row begins anew, [B]."""

    symbols: jax.Array
    begins: jax.Array


def make_batches(config, text: np.ndarray, mesh):
    """Blocks of Windows [steps, B, ...] as a pure function of the step."""

    def batches(first: int, count: int) -> Window:
        block = windows(text, first, count, config.batch_size, config.unroll)
        return block_of_batches(mesh, Window(*block), config.steps_per_call)

    return batches


def make_loss(model: LanguageModel):
    """The mean surprise -ln p of a Window's symbols, in nats, as `experiments.train` wants it.

    The carry comes in from the window before and leaves for the one after; the gradient stops
    between them, which is truncated back-propagation through time.
    """

    def loss(params, variables, carry, window, key):
        symbols = window.symbols.T  # [T + 1, B]: the loop shares out the first axis, time is ours
        carry = blank(~window.begins, carry)
        carry, logits = model.logits(params, symbols[:-1], carry, key)
        nats = softmax_cross_entropy_with_integer_labels(logits, symbols[1:])  # [T, B]
        return nats.mean(), (variables, carry, {"nats": Ratio(nats.sum(), jnp.float32(nats.size))})

    return loss


def make_mean_surprise(model: LanguageModel):
    """(params, codes [N]) -> the mean surprise -ln p of a whole text, nats per symbol.

    The state is carried from the first symbol to the last; every symbol but the first is
    predicted.
    """

    @jax.jit
    def sums(params, symbols, mask):
        def window(carry, inputs):
            symbols, mask = inputs  # [T + 1], [T]
            carry, logits = model.logits(params, symbols[:-1, None], carry)
            nats = softmax_cross_entropy_with_integer_labels(logits[:, 0], symbols[1:])
            return carry, (nats * mask).sum()

        return jax.lax.scan(window, model.carry(1), (symbols, mask))[1]

    def mean_surprise(params, codes: np.ndarray) -> float:
        length, count = EVALUATION_WINDOW, len(codes) - 1
        firsts = np.arange(0, count, length)[:, None]
        padded = np.pad(codes, (0, length))
        mask = firsts + np.arange(length) < count
        each = sums(params, padded[firsts + np.arange(length + 1)], mask)
        return float(np.asarray(each, np.float64).sum() / count)

    return mean_surprise


def figures(nats: float) -> dict[str, float]:
    """A mean surprise as it is written."""
    return {"nats_per_character": nats, "bits_per_character": nats / math.log(2)}

"""Running text for the training loop: windows, a loss that carries the state, evaluation."""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optax import softmax_cross_entropy_with_integer_labels

from data.batches import windows
from experiments.runtime.mesh import block_of_batches, on_first_device, own_rows
from experiments.training.loop import Ratio, unwatched
from nets.language_model import LanguageModel
from nets.masks import blank

EVALUATION_WINDOW = 500
WINDOWS_IN_A_CALL = 4  # at most, so that a call takes seconds and not minutes


class Window(NamedTuple):
    """The input of one step: symbols [B, T + 1], and whether a row is the start of a text, [B]."""

    symbols: jax.Array
    begins: jax.Array


def make_batches(config, text: np.ndarray, mesh):
    """Blocks of Windows [steps, B, ...] as a pure function of the step."""

    def batches(first: int, count: int) -> Window:
        block = windows(text, first, count, config.batch_size, config.unroll)
        mine = Window(*(x[:, own_rows(config.batch_size)] for x in block))
        return block_of_batches(mesh, mine, config.steps_per_call)

    return batches


def make_loss(model: LanguageModel, sum_over_time: bool = False, recompute: bool = False):
    """The mean surprisal -ln p of a Window's symbols in nats, for `experiments.training.loop`.

    The loss is the mean over rows, and over time steps the mean or the sum. The carry comes from
    the previous window and goes on to the next; no gradient flows between windows, which makes this
    truncated back-propagation through time. `recompute` saves memory in the backward pass, as
    `--recompute` says.
    """
    model = dataclasses.replace(model, checkpointed=recompute)

    def loss(params, variables, carry, window, key):
        symbols = window.symbols.T  # [T + 1, B]; the loop wants the batch axis first
        carry = blank(~window.begins, carry)
        carry, logits = model.logits(params, symbols[:-1], carry, key)
        nats = softmax_cross_entropy_with_integer_labels(logits, symbols[1:])  # [T, B]
        value = nats.mean() * (len(nats) if sum_over_time else 1)
        return value, (variables, carry, {"nats": Ratio(nats.sum(), jnp.float32(nats.size))})

    return loss


def make_surprisals(model: LanguageModel):
    """A function (params, codes [N], watch, what) -> float64 [N - 1]: the surprisal -ln p in nats.

    It is that of every symbol but the first; the state is carried through the whole text, which
    takes several calls of the device. `watch` goes through them (`experiments.training.loop`).
    """

    @jax.jit
    def by_window(params, carry, symbols):  # [W, T + 1]
        def window(carry, symbols):
            carry, logits = model.logits(params, symbols[:-1, None], carry)
            return carry, softmax_cross_entropy_with_integer_labels(logits[:, 0], symbols[1:])

        return jax.lax.scan(window, carry, symbols)

    def surprisals(params, codes: np.ndarray, watch=unwatched, what: str = "") -> np.ndarray:
        blocks = blocks_of_windows(windows_of_text(codes, EVALUATION_WINDOW), WINDOWS_IN_A_CALL)
        carry, nats = on_first_device(model.carry(1)), []
        for block in watch(blocks, what):
            carry, of_block = by_window(params, carry, block)
            nats.append(np.asarray(of_block, np.float64).ravel())
        return np.concatenate(nats)[: len(codes) - 1]

    return surprisals


def windows_of_text(codes: np.ndarray, length: int) -> np.ndarray:
    """A text cut into windows [n, length + 1] in which each symbol but the first is predicted once.

    The last symbol of a window is the first of the next; the last window is padded with 0.
    """
    firsts = np.arange(0, len(codes) - 1, length)[:, None]
    return np.pad(codes, (0, length))[firsts + np.arange(length + 1)]


def blocks_of_windows(windows: np.ndarray, most: int) -> np.ndarray:
    """Windows [n, L] in blocks of `most` or fewer, all equal: [b, m, L]; 0 fills the last."""
    blocks = -(-len(windows) // most)
    size = -(-len(windows) // blocks)
    padded = np.pad(windows, [(0, blocks * size - len(windows)), (0, 0)])
    return padded.reshape(blocks, size, -1)


def character_figures(nats: float) -> dict[str, float]:
    """The mean surprisal of characters under the names of its figures."""
    return {"nats_per_character": nats, "bits_per_character": nats / math.log(2)}

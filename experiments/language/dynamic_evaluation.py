"""Dynamic evaluation: the net keeps learning while it is being tested (Mikolov et al. 2010).

After each window of the test text, the parameters take a step of gradient descent on it. Every
word is thus predicted before anything is learned from it.
"""

import functools

import jax
import numpy as np
import optax
from optax import softmax_cross_entropy_with_integer_labels

from experiments.language.running_text import windows_of_text
from experiments.training.norm import clip_by_norm
from nets.language_model import LanguageModel


def dynamic_surprisals(
    model: LanguageModel, params, codes: np.ndarray, length: int, rate: float, clip_norm: float
) -> np.ndarray:
    """The surprisal -ln p of every symbol but the first, in nats: codes [N] to float64 [N - 1].

    Args:
      model, params: the trained net.
      codes: the text.
      length: of a window, in symbols.
      rate: the learning rate; the loss is the sum over a window.
      clip_norm: limit of the gradient's norm; 0: none.
    """
    clip = [clip_by_norm(clip_norm)] if clip_norm else []
    optimizer = optax.chain(*clip, optax.sgd(rate))
    windows = windows_of_text(codes, length)
    mask = (np.arange(windows[:, 1:].size) < len(codes) - 1).reshape(len(windows), length)
    nats = _by_window(model, optimizer.init, optimizer.update, params, windows, mask)
    return np.asarray(nats, np.float64).ravel()[: len(codes) - 1]


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _by_window(model, init, update, params, windows, mask):
    def loss(params, carry, symbols, mask):
        carry, logits = model.logits(params, symbols[:-1, None], carry)
        nats = softmax_cross_entropy_with_integer_labels(logits[:, 0], symbols[1:])
        return (nats * mask).sum(), (carry, nats)

    def step(state, window):
        params, opt_state, carry = state
        grads, (carry, nats) = jax.grad(loss, has_aux=True)(params, carry, *window)
        updates, opt_state = update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state, carry), nats

    first = params, init(params), model.carry(1)
    return jax.lax.scan(step, first, (windows, mask))[1]

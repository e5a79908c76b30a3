"""A recurrent language model: p(x_t | x_1, ..., x_{t-1}) for symbols x of an alphabet.

    e_t = E x_t, or the one-hot x_t itself     embedding
    h_t = cell(h_{t-1}, e_t)                   one cell, or several on top of one another
    p(x_{t+1} | ...) = softmax(W h_t + b)

Symbols are integers; everything is time-major. T steps, B texts side by side, V symbols.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import initializers

from nets.affine import affine
from nets.cells import fold
from nets.unroll import dropout, unroll_layers


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """The sizes of a model; its methods are pure functions of explicit parameters.

    `embedding` is the length of a symbol's vector, 0 for one-hot vectors. `rate` is the share
    of a layer's outputs that dropout leaves out: between the layers and under the softmax, never
    along time (Zaremba, Sutskever and Vinyals 2014).
    """

    cells: tuple
    symbols: int
    embedding: int = 0
    rate: float = 0.0

    def init(self, key):
        """Parameters: `layers`, one entry a cell; `output`; `embedding` [V, E] if there is one."""
        keys = jax.random.split(key, len(self.cells) + 2)
        widths = (self.embedding or self.symbols, *(cell.hidden for cell in self.cells))
        layers = zip(self.cells, keys, widths[:-1], strict=False)
        weights = initializers.lecun_normal()(keys[-1], (widths[-1], self.symbols))
        params = {
            "layers": tuple(cell.init(key, width) for cell, key, width in layers),
            "output": {"weights": weights, "bias": jnp.zeros(self.symbols)},
        }
        if self.embedding:
            shape = (self.symbols, self.embedding)
            params["embedding"] = initializers.normal(1.0)(keys[-2], shape)
        return params

    def carry(self, batch):
        """The first carries, one entry a cell."""
        return tuple(cell.carry(batch) for cell in self.cells)

    def logits(self, params, xs, carry, key=None):
        """Symbols [T, B] to the carries after them and the logits of what comes next, [T, B, V].

        Dropout is applied where a key is given.
        """
        layers = params["layers"]
        if self.embedding and self.symbols < xs.size:
            layers = (fold(layers[0], params["embedding"]), *layers[1:])
        elif self.embedding:
            xs = params["embedding"][xs]
        drop = dropout(key, self.rate) if self.rate and key is not None else lambda n, ys: ys
        carry, ys = unroll_layers(self.cells, layers, xs, carry, between=drop)
        ys = drop(len(self.cells) - 1, ys)
        return carry, affine(ys, params["output"]["weights"], params["output"]["bias"])


class Choice(NamedTuple):
    """How one symbol is chosen among many."""

    temperature: float = 1.0  # of softmax(logits / temperature); 0 takes the likeliest symbol
    top_k: int = 0  # choose among so many likeliest symbols; 0: among all
    top_p: float = 1.0  # choose among the fewest symbols whose probabilities reach this sum


def choose(key, logits, choice):
    """A symbol by its logits [V]."""
    if choice.temperature == 0:
        return logits.argmax()
    logits = logits / choice.temperature
    if choice.top_k:
        least = lax.top_k(logits, min(choice.top_k, len(logits)))[0][-1]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if choice.top_p < 1:
        p = jax.nn.softmax(jnp.sort(logits, descending=True))
        likelier = jnp.cumsum(p) - p  # the sum of those before each one
        least = jnp.where(likelier < choice.top_p, p, 1).min()
        logits = jnp.where(jax.nn.softmax(logits) < least, -jnp.inf, logits)
    return jax.random.categorical(key, logits)


def generate(model, params, prime, key, length, choice):
    """The `length` symbols that the model writes after `prime` [T], T >= 1: int32 [length]."""
    carry, logits = model.logits(params, prime[:, None], model.carry(1))

    def step(state, key):
        carry, logits = state
        symbol = choose(key, logits[-1, 0], choice)
        carry, logits = model.logits(params, symbol[None, None], carry)
        return (carry, logits), symbol.astype(jnp.int32)

    first = carry, logits[-1:]
    return lax.scan(step, first, jax.random.split(key, length))[1]

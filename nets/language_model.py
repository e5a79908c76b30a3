"""A recurrent language model: p(x_t | x_1, ..., x_{t-1}) for symbols x of an alphabet.

    e_t = E x_t, or the one-hot x_t itself     embedding
    h_t = cell(h_{t-1}, e_t)                   one cell, or several on top of one another
    p(x_{t+1} | ...) = softmax(W h_t + b)      W = E^T if the two are tied

Symbols are integers; everything is time-major. T steps, B texts side by side, V symbols.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import export, lax
from jax.nn import initializers

from .affine import affine, init_linear
from .cells import Cell, Params, fold
from .unroll import Between, dropout, no_dropout, unroll, unroll_checkpointed, unroll_layers


@dataclasses.dataclass(frozen=True)
class Dropout:
    """Dropout rates of training, and whether one mask serves all steps of a window.

    `outputs` is the rate for the entries of a symbol's embedding and of each layer's outputs, never
    for the recurrent connections (Zaremba, Sutskever and Vinyals 2014). Two more rates are for
    `same_each_step` (Gal and Ghahramani 2016): `recurrent`, for the units of the state that a
    layer's recurrence reads, and `symbols`, for whole symbols, whose embedding is then 0 wherever
    they occur. The masks of these two are shared by the batch; the paper draws them for each text.
    """

    outputs: float = 0.0
    same_each_step: bool = False
    recurrent: float = 0.0
    symbols: float = 0.0


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """The sizes of a model; its methods are pure functions of explicit parameters.

    `embedding` is the length of a symbol's vector; 0 stands for one-hot vectors. `tied` makes the
    embedding the output's weights too (Press and Wolf 2017); its length must then be the width of
    the top layer. `checkpointed` saves memory where a gradient goes back over many steps, see
    `unroll_checkpointed`; outputs and gradients are the same.
    """

    cells: tuple[Cell, ...]
    symbols: int
    embedding: int = 0
    dropout: Dropout = Dropout()
    tied: bool = False
    checkpointed: bool = False

    def init(self, key: jax.Array) -> Params:
        """Parameters: `layers`, one entry a cell; `output`; `embedding` [V, E] if there is one."""
        *keys, key_embedding, key_output = jax.random.split(key, len(self.cells) + 2)
        widths = (self.embedding or self.symbols, *(cell.hidden for cell in self.cells))
        layers = zip(self.cells, keys, widths[:-1], strict=True)
        params: Params = {
            "layers": tuple(cell.init(key, width) for cell, key, width in layers),
            "output": init_linear(key_output, widths[-1], self.symbols),
        }
        if self.tied:
            del params["output"]["weights"]
        if self.embedding:
            shape = (self.symbols, self.embedding)
            params["embedding"] = initializers.normal(1.0)(key_embedding, shape)
        return params

    def carry(self, batch: int) -> tuple:
        """The first carries, one entry a cell."""
        return tuple(cell.carry(batch) for cell in self.cells)

    def logits(
        self, params: Params, xs: jax.Array, carry: tuple, key: jax.Array | None = None
    ) -> tuple[tuple, jax.Array]:
        """Symbols [T, B] to the carries after them and the logits of the next symbols, [T, B, V].

        Dropout is applied if a key is given.
        """
        output, between = params["output"], no_dropout
        weights = params["embedding"].T if self.tied else output["weights"]
        if key is not None:
            params, between = self._with_dropout(params, key)
        layers = params["layers"]
        # the size is symbolic in an export whose axes are left open, and compares with no number
        many = not export.is_symbolic_dim(xs.size) and self.symbols < xs.size
        if self.embedding and many and between is no_dropout:
            layers = (fold(layers[0], params["embedding"]), *layers[1:])
        elif self.embedding:
            xs = between(len(self.cells), params["embedding"][xs])
        layer = unroll_checkpointed if self.checkpointed else unroll
        carry, ys = unroll_layers(self.cells, layers, xs, carry, layer=layer, between=between)
        return carry, affine(between(len(self.cells) - 1, ys), weights, output["bias"])

    def _with_dropout(self, params, key):
        """The parameters with dropout applied, and the function that applies it between layers."""
        rates, keys = self.dropout, jax.random.split(key, 3)
        between: Between = no_dropout
        if rates.outputs:
            between = dropout(keys[0], rates.outputs, same_each_step=rates.same_each_step)
        if rates.recurrent:
            draws = jax.random.split(keys[1], len(self.cells))
            layers = zip(draws, params["layers"], strict=True)
            dropped = tuple(_drop_units(key, rates.recurrent, layer) for key, layer in layers)
            params = params | {"layers": dropped}
        if rates.symbols:
            embedding = params["embedding"]
            scales = _row_scales(keys[2], rates.symbols, embedding)
            params = params | {"embedding": embedding * scales}
        return params, between


def _row_scales(key, rate, weights):
    """For each row of weights [N, H], 0 or 1/(1 - rate): [N, 1]."""
    return jax.random.bernoulli(key, 1 - rate, (len(weights), 1)) / (1 - rate)


def _drop_units(key, rate, layer):
    """A layer's parameters with dropout on the rows of its recurrent weights, one mask for all
    gates."""
    scales = _row_scales(key, rate, next(iter(layer.values()))["h"])
    return {gate: {**w, "h": w["h"] * scales} for gate, w in layer.items()}


class Choice(NamedTuple):
    """How one symbol is chosen among many."""

    temperature: float = 1.0  # of softmax(logits / temperature); 0 takes the likeliest symbol
    top_k: int = 0  # choose among this many of the likeliest symbols; 0: among all
    top_p: float = 1.0  # choose among the fewest symbols whose probabilities reach this sum


def choose(key: jax.Array, logits: jax.Array, choice: Choice) -> jax.Array:
    """A symbol drawn by its logits [V], as argmax(logits / temperature + Gumbel noise).

    A temperature below 1 scales the noise instead: nothing overflows, however low it is, and at 0
    there is no noise.
    """
    hot = min(max(choice.temperature, 1.0), float(jnp.finfo(logits.dtype).max))
    cold = min(choice.temperature, 1.0)
    scores = logits / hot + cold * jax.random.gumbel(key, logits.shape, logits.dtype)
    if choice.top_k or choice.top_p < 1:
        scores = jnp.where(_candidates(logits, choice), scores, -jnp.inf)
    return scores.argmax()


def _candidates(logits, choice):
    """Which symbols `top_k` and `top_p` leave to choose from: booleans [V], one true at least.

    Symbols are counted off in the order of their logits, and of equal ones the first comes first,
    as it does at temperature 0. Only this order decides: a probability, compared with the same one
    computed in another place, may differ in its last bit.
    """
    limits = jnp.finfo(logits.dtype)
    order = jnp.argsort(logits, descending=True, stable=True)
    ranks = jnp.arange(len(logits))
    kept = ranks < (choice.top_k or len(logits))
    if choice.top_p < 1:
        temperature = min(max(choice.temperature, float(limits.tiny)), float(limits.max))
        below = (logits[order] - logits[order[0]]) / temperature  # 0, then negative
        p = jax.nn.softmax(jnp.where(kept, below, -jnp.inf))
        likelier = jnp.cumsum(p) - p  # the sum of those before each one
        kept &= ranks < jnp.maximum(1, (likelier < choice.top_p).sum())
    return jnp.zeros_like(kept).at[order].set(kept)


def generate(
    model: LanguageModel, params: Params, prime: jax.Array, key: jax.Array, length: int,
    choice: Choice,
) -> jax.Array:  # fmt: skip
    """The `length` symbols that the model writes after `prime` [T], T >= 1: int32 [length]."""
    carry, logits = model.logits(params, prime[:, None], model.carry(1))

    def step(state, key):
        carry, logits = state
        symbol = choose(key, logits[-1, 0], choice)
        carry, logits = model.logits(params, symbol[None, None], carry)
        return (carry, logits), symbol.astype(jnp.int32)

    first = carry, logits[-1:]
    return lax.scan(step, first, jax.random.split(key, length))[1]

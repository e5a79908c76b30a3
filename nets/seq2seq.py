"""Sequence to sequence: p(y_1, ..., y_T | x) = prod_t p(y_t | v, y_1, ..., y_{t-1}).

An encoder reads the source x into a vector v, or into a state for each of its words; a decoder is
a language model of the target that is conditioned on them. Its forms:

    StateDecoder    v is its first state (Sutskever, Vinyals, Le 2014)
    ContextDecoder  v is an input at every step (Cho et al. 2014; Kalchbrenner, Blunsom 2013)
    SearchDecoder   attention to the source before each step (Bahdanau et al. 2015)
    GlobalDecoder   attention to the source after each step (Luong et al. 2015)

Everything is time-major: S source words, T target words, B sentences.
"""

import dataclasses
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.nn import initializers

from .affine import init_linear, linear
from .attention import additive_scores, attention_weights, contexts, dot_scores
from .cells import Cell, Params, hidden_state, with_hidden_state
from .masks import blank
from .sentence_convolution import SentenceConvolution
from .unroll import Between, both_directions, dropout, no_dropout, unroll, unroll_layers

FEATURES = 99  # the place of the features' dropout mask among those of a decoder


class Source(NamedTuple):
    """What an encoder makes of the source."""

    states: jax.Array | None  # [S, B, A], one for each word, 0 at padding
    mask: jax.Array  # [S, B]
    summary: jax.Array  # v [B, A]
    carry: Any  # the last carries of its layers


class Encoder(Protocol):
    """Pure methods of explicit parameters; E is the length of a word's vector."""

    @property
    def width(self) -> int:
        """A, of the states and of v."""

    def init(self, key: jax.Array, inputs: int) -> Any:
        """Parameters; `inputs` is E."""

    def read(self, params: Any, es: jax.Array, mask: jax.Array, between: Between) -> Source:
        """Word vectors [S, B, E] to a Source; `between` is applied between layers."""


class Decoder(Protocol):
    """Pure methods of explicit parameters; E is the length of a word's vector."""

    def init(self, key: jax.Array, inputs: int, width: int) -> Any:
        """Parameters; `inputs` is E and `width` the encoder's."""

    def begin(self, params: Any, source: Source) -> tuple[Any, Any]:
        """Memory, which is what it keeps of the source, and the first carry."""

    def unroll(
        self, params: Any, memory: Any, carry: Any, es: jax.Array, between: Between
    ) -> tuple[Any, jax.Array, jax.Array | None]:
        """Word vectors [T, B, E] to the last carry, features [T, B, F], attention weights.

        Over all target words it is teacher forcing; over one word, the step that search.py takes.
        The weights are [T, B, S], or None without attention.
        """

    def features(self, inputs: int, width: int) -> int:
        """F, the length of the features."""


@dataclasses.dataclass(frozen=True)
class RecurrentEncoder:
    """h_s = cell(h_{s-1}, x_s), layer on layer; v = h_S."""

    cells: tuple[Cell, ...]

    @property
    def width(self) -> int:
        return self.cells[-1].hidden

    def init(self, key: jax.Array, inputs: int) -> tuple:
        return _layers(self.cells, key, inputs)

    def read(self, params: Any, es: jax.Array, mask: jax.Array, between: Between) -> Source:
        carry, states = unroll_layers(self.cells, params, es, mask=mask, between=between)
        return Source(states, mask, hidden_state(carry[-1]), carry)


@dataclasses.dataclass(frozen=True)
class BidirectionalEncoder:
    """A cell in each direction in each layer; v = [h_S forwards; h_1 backwards]."""

    cells: tuple[Cell, ...]

    @property
    def width(self) -> int:
        return 2 * self.cells[-1].hidden

    def init(self, key: jax.Array, inputs: int) -> tuple:
        widths = (inputs, *(2 * cell.hidden for cell in self.cells))
        keys = jax.random.split(key, (len(self.cells), 2))
        triples = zip(self.cells, keys, widths[:-1], strict=True)
        return tuple((cell.init(a, width), cell.init(b, width)) for cell, (a, b), width in triples)

    def read(self, params: Any, es: jax.Array, mask: jax.Array, between: Between) -> Source:
        pairs = [(cell, cell) for cell in self.cells]
        carry, states = unroll_layers(
            pairs, params, es, mask=mask, layer=both_directions, between=between
        )
        summary = jnp.concatenate([hidden_state(last) for last in carry[-1]], axis=-1)
        return Source(states, mask, summary, carry)


@dataclasses.dataclass(frozen=True)
class ConvolutionalEncoder:
    """v by convolutions over the words (Kalchbrenner and Blunsom 2013)."""

    width: int  # of v, the same as the word vectors'
    model: SentenceConvolution = SentenceConvolution()

    def init(self, key: jax.Array, inputs: int) -> Params:
        return self.model.init(key, inputs)

    def read(self, params: Any, es: jax.Array, mask: jax.Array, between: Between) -> Source:
        return Source(None, mask, self.model.vector(params, blank(mask, es), mask), None)


@dataclasses.dataclass(frozen=True)
class StateDecoder:
    """h_0 = the encoder's last state, layer by layer; h_t = cell(h_{t-1}, e_t)."""

    cells: tuple[Cell, ...]

    def init(self, key: jax.Array, inputs: int, width: int) -> tuple:
        return _layers(self.cells, key, inputs)

    def begin(self, params: Any, source: Source) -> tuple[Any, Any]:
        return (), source.carry

    def unroll(
        self, params: Any, memory: Any, carry: Any, es: jax.Array, between: Between
    ) -> tuple[Any, jax.Array, None]:
        carry, ys = unroll_layers(self.cells, params, es, carry, between=between)
        return carry, ys, None

    def features(self, inputs: int, width: int) -> int:
        return self.cells[-1].hidden


@dataclasses.dataclass(frozen=True)
class ContextDecoder:
    """h_t = cell(h_{t-1}, [e_t; v]), with features [h_t; e_t; v].

    `first` chooses h_0: tanh(W v + b) for "tanh" (Cho et al.), v itself for "v" (its length must be
    H), 0 for "zero". With an RNN for the cell, "zero", and h_t alone for features (not `deep`) it
    is Kalchbrenner and Blunsom's RCTM I.
    """

    cell: Cell
    first: str = "tanh"
    deep: bool = True

    def init(self, key: jax.Array, inputs: int, width: int) -> Params:
        key_cell, key_first = jax.random.split(key)
        params = {"cell": self.cell.init(key_cell, inputs + width)}
        if self.first == "tanh":
            params["first"] = init_linear(key_first, width, self.cell.hidden)
        return params

    def begin(self, params: Any, source: Source) -> tuple[Any, Any]:
        v = source.summary
        first = self.cell.carry(v.shape[0])
        if self.first == "tanh":
            first = with_hidden_state(first, _tanh_of(params["first"], v))
        elif self.first == "v":
            first = with_hidden_state(first, v)
        return v, first

    def unroll(
        self, params: Any, memory: Any, carry: Any, es: jax.Array, between: Between
    ) -> tuple[Any, jax.Array, None]:
        vs = jnp.broadcast_to(memory, (es.shape[0], *memory.shape))
        carry, hs = unroll(self.cell, params["cell"], jnp.concatenate([es, vs], -1), carry)
        return carry, jnp.concatenate([hs, es, vs], -1) if self.deep else hs, None

    def features(self, inputs: int, width: int) -> int:
        return self.cell.hidden + (inputs + width if self.deep else 0)


@dataclasses.dataclass(frozen=True)
class _AttendingCell:
    """The cell of a SearchDecoder: c_t from h_{t-1}, then h_t = cell(h_{t-1}, [e_t; c_t])."""

    cell: Cell
    memory: Any  # (states [S, B, A], keys [S, B, K], mask [S, B])

    def project(self, params, es):
        return self.cell.project(_rows(params["cell"], slice(es.shape[-1])), es)

    def step(self, params, carry, drive):
        states, keys, mask = self.memory
        attention = params["attention"]
        query = hidden_state(carry) @ attention["query"]  # [B, K]
        scores = additive_scores(query, keys, attention["v"])  # [B, S]
        weights = attention_weights(scores[None], mask)  # [1, B, S]
        context = contexts(weights, states)  # [1, B, A]
        rows = _rows(params["cell"], slice(-context.shape[-1], None), bias=False)
        late = self.cell.project(rows, context)
        drive = jax.tree.map(lambda early, late: early + late[0], drive, late)
        carry, h = self.cell.step(params["cell"], carry, drive)
        return carry, (h, context[0], weights[0])

    def carry(self, batch):
        return self.cell.carry(batch)


@dataclasses.dataclass(frozen=True)
class SearchDecoder:
    """Bahdanau et al. 2015: c_t = attention by h_{t-1}, h_t = cell(h_{t-1}, [e_t; c_t]).

    h_0 = tanh(W v + b), features [h_t; e_t; c_t]; `attention` is the width of the score's tanh
    layer. The paper takes h_0 from the backward state alone; here v is both states, as in the open
    baseline.
    """

    cell: Cell
    attention: int

    def init(self, key: jax.Array, inputs: int, width: int) -> Params:
        keys = jax.random.split(key, 5)
        hidden = self.cell.hidden
        draw = initializers.lecun_normal()
        return {
            "cell": self.cell.init(keys[0], inputs + width),
            "first": init_linear(keys[1], width, hidden),
            "attention": {
                "query": draw(keys[2], (hidden, self.attention)),
                "key": init_linear(keys[4], width, self.attention),
                "v": draw(keys[3], (self.attention, 1))[:, 0],
            },
        }

    def begin(self, params: Any, source: Source) -> tuple[Any, Any]:
        first = self.cell.carry(source.summary.shape[0])
        keys = linear(params["attention"]["key"], _states(source))
        memory = source.states, keys, source.mask
        return memory, with_hidden_state(first, _tanh_of(params["first"], source.summary))

    def unroll(
        self, params: Any, memory: Any, carry: Any, es: jax.Array, between: Between
    ) -> tuple[Any, jax.Array, jax.Array]:
        cell = _AttendingCell(self.cell, memory)
        carry, (hs, cs, weights) = unroll(cell, params, es, carry)
        return carry, jnp.concatenate([hs, es, cs], -1), weights

    def features(self, inputs: int, width: int) -> int:
        return self.cell.hidden + inputs + width


@dataclasses.dataclass(frozen=True)
class GlobalDecoder:
    """Luong et al. 2015: h_t = cell(h_{t-1}, e_t), c_t = attention by h_t, tanh(W [c_t; h_t]).

    The score is the "general" one. There is no input feeding, so that attention is one product over
    all target words. h_0 = tanh(W v + b) in every layer.
    """

    cells: tuple[Cell, ...]

    def init(self, key: jax.Array, inputs: int, width: int) -> Params:
        keys = jax.random.split(key, 4)
        hidden = self.cells[-1].hidden
        firsts = zip(self.cells, jax.random.split(keys[1], len(self.cells)), strict=True)
        return {
            "layers": _layers(self.cells, keys[0], inputs),
            "first": tuple(init_linear(key, width, cell.hidden) for cell, key in firsts),
            "score": initializers.lecun_normal()(keys[2], (width, hidden)),
            "combine": init_linear(keys[3], width + hidden, hidden),
        }

    def begin(self, params: Any, source: Source) -> tuple[Any, Any]:
        keys = _states(source) @ params["score"]  # [S, B, H]
        first = tuple(
            with_hidden_state(cell.carry(source.summary.shape[0]), _tanh_of(first, source.summary))
            for cell, first in zip(self.cells, params["first"], strict=True)
        )
        return (source.states, keys, source.mask), first

    def unroll(
        self, params: Any, memory: Any, carry: Any, es: jax.Array, between: Between
    ) -> tuple[Any, jax.Array, jax.Array]:
        states, keys, mask = memory
        carry, hs = unroll_layers(self.cells, params["layers"], es, carry, between=between)
        weights = attention_weights(dot_scores(hs, keys), mask)  # [T, B, S]
        both = jnp.concatenate([contexts(weights, states), hs], -1)
        return carry, _tanh_of(params["combine"], both), weights

    def features(self, inputs: int, width: int) -> int:
        return self.cells[-1].hidden


@dataclasses.dataclass(frozen=True)
class Seq2Seq:
    """An encoder and a decoder with their embeddings, and a softmax over the target's words.

    `maxout` is the number of maxout units, of two linear pieces each, between the features and
    the softmax (Goodfellow et al. 2013; Cho et al. 2014); 0: none. `rate` is the dropout rate of
    embeddings, layers' outputs and features.
    """

    encoder: Encoder
    decoder: Decoder
    sources: int  # source vocabulary
    targets: int  # target vocabulary
    embedding: int
    maxout: int = 0
    rate: float = 0.0

    def init(self, key: jax.Array) -> Params:
        """Parameters `source`, `target` (embeddings), `encoder`, `decoder`, `output`, `maxout`."""
        keys = jax.random.split(key, 6)
        inputs, width = self.embedding, self.encoder.width
        features = self.decoder.features(inputs, width)
        draw = initializers.normal(0.1)
        params = {
            "source": draw(keys[0], (self.sources, inputs)),
            "target": draw(keys[1], (self.targets, inputs)),
            "encoder": self.encoder.init(keys[2], inputs),
            "decoder": self.decoder.init(keys[3], inputs, width),
            "output": init_linear(keys[4], self.maxout or features, self.targets),
        }
        if self.maxout:
            params["maxout"] = init_linear(keys[5], features, 2 * self.maxout)
        return params

    def encode(
        self, params: Params, xs: jax.Array, mask: jax.Array, key: jax.Array | None = None
    ) -> Source:
        """Source words [S, B] with their mask to a Source; dropout if a key is given."""
        drop = self._dropout(key, 0)
        es = drop(0, params["source"][xs])
        return self.encoder.read(params["encoder"], es, mask, lambda n, ys: drop(n + 1, ys))

    def begin(self, params: Params, source: Source) -> tuple[Any, Any]:
        """What the decoder keeps of the source, and its first carry."""
        return self.decoder.begin(params["decoder"], source)

    def decode(
        self, params: Params, memory: Any, carry: Any, ys: jax.Array, key: jax.Array | None = None
    ) -> tuple[Any, jax.Array, jax.Array | None]:
        """Target words [T, B] to the carry after them and the logits of the next words.

        Returns:
          carry, logits [T, B, V], and the attention weights [T, B, S] or None.
        """
        drop = self._dropout(key, 1)
        es = drop(0, params["target"][ys])
        carry, features, weights = self.decoder.unroll(
            params["decoder"], memory, carry, es, lambda n, ys: drop(n + 1, ys)
        )
        if self.maxout:
            pieces = linear(params["maxout"], features)
            features = pieces.reshape(*pieces.shape[:-1], self.maxout, 2).max(-1)
        return carry, linear(params["output"], drop(FEATURES, features)), weights

    def _dropout(self, key, side):
        """Dropout masks by place, of the source side (0) or the target side (1)."""
        if key is None or not self.rate:
            return no_dropout
        return dropout(jax.random.fold_in(key, side), self.rate)


def _states(source):
    """The states for attention, which an encoder into a single vector does not have."""
    if source.states is None:
        raise TypeError("Attention needs an encoder with a state for each word of the source.")
    return source.states


def _layers(cells, key, inputs):
    widths = (inputs, *(cell.hidden for cell in cells))
    triples = zip(cells, jax.random.split(key, len(cells)), widths[:-1], strict=True)
    return tuple(cell.init(key, width) for cell, key, width in triples)


def _tanh_of(params, xs):
    return jnp.tanh(linear(params, xs))


def _rows(params, part, bias=True):
    """A cell's parameters for a part of its inputs."""
    return {
        gate: {**w, "x": w["x"][part], "b": w["b"] if bias else jnp.zeros_like(w["b"])}
        for gate, w in params.items()
    }

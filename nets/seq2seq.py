"""Sequence to sequence: p(y_1, ..., y_T | x) = prod_t p(y_t | v, y_1, ..., y_{t-1}).

An encoder reads the source x into v, or into a state for each of its words; a decoder is a
language model of the target that sees them. Its forms:

    StateDecoder    v is its first state (Sutskever, Vinyals, Le 2014)
    ContextDecoder  v is given to it at every step (Cho et al. 2014; Kalchbrenner, Blunsom 2013)
    SearchDecoder   before each step it looks where in the source to read (Bahdanau et al. 2015)
    GlobalDecoder   after each step it looks where in the source to read (Luong et al. 2015)

A decoder has four pure methods:

    init(key, inputs, width)                  -> params       inputs: E; width: A of the source
    begin(params, source)                     -> memory, carry   what it keeps of the source
    unroll(params, memory, carry, es, between) -> carry, features, weights
    features(inputs, width)                   -> F, the features' width

`unroll` over all target words is teacher forcing; over one word it is the step that `nets.search`
takes. Everything is time-major: S source words, T target words, B sentences.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import initializers

from .affine import init_linear, linear
from .attention import additive_scores, dot_scores, looked_at, seen
from .cells import hidden_state, with_hidden_state
from .masks import blank
from .sentence_convolution import SentenceConvolution
from .unroll import both_directions, dropout, unroll, unroll_layers


class Source(NamedTuple):
    """What an encoder makes of the source."""

    states: jax.Array | None  # [S, B, A], one for each word, 0 at padding
    mask: jax.Array  # [S, B]
    summary: jax.Array  # v [B, A]
    carry: Any  # the last carries of its layers


@dataclasses.dataclass(frozen=True)
class RecurrentEncoder:
    """h_s = cell(h_{s-1}, x_s), layer on layer; v = h_S."""

    cells: tuple

    @property
    def width(self):
        return self.cells[-1].hidden

    def init(self, key, inputs):
        return _layers(self.cells, key, inputs)

    def read(self, params, es, mask, between):
        carry, states = unroll_layers(self.cells, params, es, mask=mask, between=between)
        return Source(states, mask, hidden_state(carry[-1]), carry)


@dataclasses.dataclass(frozen=True)
class BidirectionalEncoder:
    """One cell in each direction in each layer; v = [h_S forwards; h_1 backwards]."""

    cells: tuple

    @property
    def width(self):
        return 2 * self.cells[-1].hidden

    def init(self, key, inputs):
        widths = (inputs, *(2 * cell.hidden for cell in self.cells))
        keys = jax.random.split(key, (len(self.cells), 2))
        triples = zip(self.cells, keys, widths[:-1], strict=True)
        return tuple((cell.init(a, width), cell.init(b, width)) for cell, (a, b), width in triples)

    def read(self, params, es, mask, between):
        pairs = [(cell, cell) for cell in self.cells]
        carry, states = unroll_layers(
            pairs, params, es, mask=mask, layer=both_directions, between=between
        )
        summary = jnp.concatenate([hidden_state(last) for last in carry[-1]], axis=-1)
        return Source(states, mask, summary, carry)


@dataclasses.dataclass(frozen=True)
class ConvolutionalEncoder:
    """v by convolutions over the words (Kalchbrenner and Blunsom 2013)."""

    width: int  # of v, the width of the word vectors
    model: SentenceConvolution = SentenceConvolution()

    def init(self, key, inputs):
        return self.model.init(key, inputs)

    def read(self, params, es, mask, between):
        return Source(None, mask, self.model.vector(params, blank(mask, es), mask), None)


@dataclasses.dataclass(frozen=True)
class StateDecoder:
    """h_0 = the encoder's last state, layer by layer; h_t = cell(h_{t-1}, e_t)."""

    cells: tuple

    def init(self, key, inputs, width):
        return _layers(self.cells, key, inputs)

    def begin(self, params, source):
        return (), source.carry

    def unroll(self, params, memory, carry, es, between):
        carry, ys = unroll_layers(self.cells, params, es, carry, between=between)
        return carry, ys, None

    def features(self, inputs, width):
        return self.cells[-1].hidden


@dataclasses.dataclass(frozen=True)
class ContextDecoder:
    """h_t = cell(h_{t-1}, [e_t; v]), with features [h_t; e_t; v].

    `first` says what h_0 is: tanh(W v + b) ("tanh", Cho et al.), v itself ("v", of H entries) or 0
    ("zero"). With an RNN for the cell, "zero", and h_t alone for features (not `deep`) it is
    Kalchbrenner and Blunsom's RCTM I.
    """

    cell: Any
    first: str = "tanh"
    deep: bool = True

    def init(self, key, inputs, width):
        key_cell, key_first = jax.random.split(key)
        params = {"cell": self.cell.init(key_cell, inputs + width)}
        if self.first == "tanh":
            params["first"] = init_linear(key_first, width, self.cell.hidden)
        return params

    def begin(self, params, source):
        v = source.summary
        first = self.cell.carry(v.shape[0])
        if self.first == "tanh":
            first = with_hidden_state(first, _tanh_of(params["first"], v))
        elif self.first == "v":
            first = with_hidden_state(first, v)
        return v, first

    def unroll(self, params, v, carry, es, between):
        vs = jnp.broadcast_to(v, (es.shape[0], *v.shape))
        carry, hs = unroll(self.cell, params["cell"], jnp.concatenate([es, vs], -1), carry)
        return carry, jnp.concatenate([hs, es, vs], -1) if self.deep else hs, None

    def features(self, inputs, width):
        return self.cell.hidden + (inputs + width if self.deep else 0)


@dataclasses.dataclass(frozen=True)
class _Looking:
    """The cell of a SearchDecoder: c_t by h_{t-1}, then h_t = cell(h_{t-1}, [e_t; c_t])."""

    cell: Any
    memory: Any  # (states [S, B, A], keys [S, B, K], mask [S, B])

    def project(self, params, es):
        return self.cell.project(_rows(params["cell"], slice(es.shape[-1])), es)

    def step(self, params, carry, drive):
        states, keys, mask = self.memory
        look = params["attention"]
        scores = additive_scores(hidden_state(carry) @ look["query"], keys, look["v"])  # [B, S]
        weights = looked_at(scores[None], mask)  # [1, B, S]
        context = seen(weights, states)  # [1, B, A]
        rows = _rows(params["cell"], slice(-context.shape[-1], None), bias=False)
        late = self.cell.project(rows, context)
        drive = jax.tree.map(lambda early, late: early + late[0], drive, late)
        carry, h = self.cell.step(params["cell"], carry, drive)
        return carry, (h, context[0], weights[0])


@dataclasses.dataclass(frozen=True)
class SearchDecoder:
    """Bahdanau et al. 2015: c_t = attention by h_{t-1}, h_t = cell(h_{t-1}, [e_t; c_t]).

    h_0 = tanh(W v + b), features [h_t; e_t; c_t]; `attention` is the width of the score's tanh
    layer. The paper takes h_0 from the backward state alone; v is both, as in the open baseline.
    """

    cell: Any
    attention: int

    def init(self, key, inputs, width):
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

    def begin(self, params, source):
        first = self.cell.carry(source.summary.shape[0])
        keys = linear(params["attention"]["key"], source.states)
        memory = source.states, keys, source.mask
        return memory, with_hidden_state(first, _tanh_of(params["first"], source.summary))

    def unroll(self, params, memory, carry, es, between):
        carry, (hs, contexts, weights) = unroll(_Looking(self.cell, memory), params, es, carry)
        return carry, jnp.concatenate([hs, es, contexts], -1), weights

    def features(self, inputs, width):
        return self.cell.hidden + inputs + width


@dataclasses.dataclass(frozen=True)
class GlobalDecoder:
    """Luong et al. 2015: h_t = cell(h_{t-1}, e_t), c_t = attention by h_t, tanh(W [c_t; h_t]).

    The score is the "general" one; without input feeding, so that attention is one product over
    all target words. h_0 = tanh(W v + b) in every layer.
    """

    cells: tuple

    def init(self, key, inputs, width):
        keys = jax.random.split(key, 4)
        hidden = self.cells[-1].hidden
        firsts = jax.random.split(keys[1], len(self.cells))
        firsts = zip(self.cells, firsts, strict=True)
        return {
            "layers": _layers(self.cells, keys[0], inputs),
            "first": tuple(init_linear(key, width, cell.hidden) for cell, key in firsts),
            "score": initializers.lecun_normal()(keys[2], (width, hidden)),
            "combine": init_linear(keys[3], width + hidden, hidden),
        }

    def begin(self, params, source):
        keys = source.states @ params["score"]  # [S, B, H]
        first = tuple(
            with_hidden_state(cell.carry(source.summary.shape[0]), _tanh_of(first, source.summary))
            for cell, first in zip(self.cells, params["first"], strict=True)
        )
        return (source.states, keys, source.mask), first

    def unroll(self, params, memory, carry, es, between):
        states, keys, mask = memory
        carry, hs = unroll_layers(self.cells, params["layers"], es, carry, between=between)
        weights = looked_at(dot_scores(hs, keys), mask)  # [T, B, S]
        both = jnp.concatenate([seen(weights, states), hs], -1)
        return carry, _tanh_of(params["combine"], both), weights

    def features(self, inputs, width):
        return self.cells[-1].hidden


@dataclasses.dataclass(frozen=True)
class Seq2Seq:
    """An encoder and a decoder with their embeddings, and a softmax over the target's words.

    `maxout` is the number of maxout units, of two linear pieces each, between the features and
    the softmax (Goodfellow et al. 2013; Cho et al. 2014); 0: none. `rate` is the share that dropout
    leaves out of embeddings, of layers' outputs and of features.
    """

    encoder: Any
    decoder: Any
    sources: int  # source vocabulary
    targets: int  # target vocabulary
    embedding: int
    maxout: int = 0
    rate: float = 0.0

    def init(self, key):
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

    def encode(self, params, xs, mask, key=None):
        """Source words [S, B] with their mask to a Source; dropout where a key is given."""
        drop = self._dropout(key, 0)
        es = drop(0, params["source"][xs])
        return self.encoder.read(params["encoder"], es, mask, lambda n, ys: drop(n + 1, ys))

    def begin(self, params, source):
        """What the decoder keeps of the source, and its first carry."""
        return self.decoder.begin(params["decoder"], source)

    def decode(self, params, memory, carry, ys, key=None):
        """Target words [T, B] to the carry after them and the logits of what comes next.

        Returns:
          carry, logits [T, B, V], and the attention's weights [T, B, S] or None.
        """
        drop = self._dropout(key, 1)
        es = drop(0, params["target"][ys])
        carry, features, weights = self.decoder.unroll(
            params["decoder"], memory, carry, es, lambda n, ys: drop(n + 1, ys)
        )
        if self.maxout:
            pieces = linear(params["maxout"], features)
            features = pieces.reshape(*pieces.shape[:-1], self.maxout, 2).max(-1)
        return carry, linear(params["output"], drop(99, features)), weights

    def _dropout(self, key, number):
        if key is None or not self.rate:
            return lambda n, ys: ys
        return dropout(jax.random.fold_in(key, number), self.rate)


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

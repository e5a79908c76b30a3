"""The nets of a tagger, their parameters and their loss.

A run trains one net, or two for comparison, each in a single copy or in one per cross-validation
fold. Copies share no parameters, and the objective is the sum of their losses: each copy gets the
gradient of its own loss, and one pass over the data trains them all.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from optax import softmax_cross_entropy_with_integer_labels

from data.sentences import UNKNOWN, Coding
from experiments.runtime.xla import call_once
from experiments.training.cell_options import make_cell
from experiments.training.loop import Ratio
from nets.cells import LSTM
from nets.tagger import Tagger
from nets.word_encoder import WordEncoder

NET, SECOND = "net", "beside"


class Batch(NamedTuple):
    """The input of one step: B sentences of at most T words."""

    words: jax.Array  # int [B, T]
    mask: jax.Array  # bool [B, T], true at words
    labels: jax.Array  # int [B, T], or [B, 1] if a sentence has one label
    folds: jax.Array  # int [B]: the fold that is tested on the sentence, or -1
    letters: jax.Array | None = None  # int [B, T, L]
    features: jax.Array | None = None  # int [B, T]


@dataclasses.dataclass(frozen=True)
class Labeller:
    """A tagger on top of a word encoder."""

    encoder: WordEncoder
    tagger: Tagger
    whole: bool  # a sentence has one label
    input_rate: float = 0.0  # dropout rate of the encoder's outputs

    def init(self, key):
        """Parameters: `encoder`, `layers` and `output`."""
        key_encoder, key_tagger = jax.random.split(key)
        return {"encoder": self.encoder.init(key_encoder), **self.tagger.init(key_tagger)}

    def logits(self, params, vectors, batch: Batch, key=None):
        """Logits [T, B, C] or [B, C], and every layer's outputs [T, B, width]."""
        arrays = (batch.words, batch.letters, batch.features, batch.mask)
        *inputs, mask = (None if x is None else jnp.moveaxis(x, 1, 0) for x in arrays)  # [T, B]
        xs = self.encoder.encode(params["encoder"], *inputs, vectors)  # [T, B, D]
        if key is not None and self.input_rate:
            key, key_input = jax.random.split(key)
            keep = jax.random.bernoulli(key_input, 1 - self.input_rate, (1, *xs.shape[1:]))
            xs = jnp.where(keep, xs / (1 - self.input_rate), 0)
        logits = self.tagger.whole if self.whole else self.tagger.each
        return logits(params, xs, mask, key)


def make_nets(config, coding: Coding, given: int, whole: bool) -> Mapping[str, Labeller]:
    """The nets of a run by name: NET, and SECOND if `--beside` names one to compare with.

    `given` is the length of the pretrained vectors, 0 without any. Unless frozen, they initialise
    the learned vectors.
    """
    learned = config.embedding if config.freeze or not given else given
    encoder = WordEncoder(
        words=len(coding.words) + 1,
        embedding=learned,
        given=given if config.freeze else 0,
        letters=len(coding.letters) + 1,
        reader=LSTM(config.letter_hidden) if config.letter_hidden else None,
        letter_embedding=config.letter_embedding,
        features=len(coding.features) + 1,
        feature_embedding=config.feature_embedding if config.feature_column else 0,
    )

    def net(layers: int, hidden: int, backward: bool) -> Labeller:
        cell = make_cell(dataclasses.replace(config, hidden=hidden))
        tagger = Tagger(cell, layers, encoder.width, len(coding.labels), backward, config.dropout)
        return Labeller(encoder, tagger, whole, config.input_dropout)

    nets = {NET: net(config.layers, config.hidden, config.directions == "both")}
    if config.beside == "shallow":
        nets[SECOND] = net(1, config.beside_hidden, config.directions == "both")
    if config.beside == "one_directional":
        nets[SECOND] = net(config.layers, config.hidden, False)
    return nets


def first_parameters(config, nets: Mapping[str, Labeller], table=None):
    """The initial parameters by net, stacked over the folds and drawn according to `--init`.

    `table` [V, D] holds pretrained vectors; unless frozen, they initialise the learned ones.
    """

    def one_copy(net: Labeller, key):
        params = redrawn(net.init(key), key)
        if table is not None and not config.freeze:
            params["encoder"]["words"] = jnp.asarray(table)
        return params

    def redrawn(params, key):
        if config.init == "default":
            return params
        leaves, tree = jax.tree.flatten(params)
        limit = config.init_scale
        keys = jax.random.split(jax.random.fold_in(key, 1), len(leaves))
        return jax.tree.unflatten(tree, [
            jax.random.uniform(k, leaf.shape, jnp.float32, -limit, limit)
            for k, leaf in zip(keys, leaves, strict=True)
        ])  # fmt: skip

    def stacked(net: Labeller, key):
        return jax.vmap(lambda fold: one_copy(net, jax.random.fold_in(key, fold)))(folds_of(config))

    key = jax.random.key(config.seed)
    return {name: call_once(functools.partial(stacked, net), jax.random.fold_in(key, n))
            for n, (name, net) in enumerate(nets.items())}  # fmt: skip


def folds_of(config) -> jax.Array:
    """The numbers of the folds; the random keys of a copy depend only on its own."""
    return config.fold + jnp.arange(config.folds)


def select_copy(params, copy: int):
    """The parameters of one copy, from the stacked ones."""
    return jax.tree.map(lambda leaf: leaf[copy], params)


def make_loss(config, nets: Mapping[str, Labeller], coding: Coding, rare: int, words: float):
    """The objective for `experiments.training.loop`: the sum over all copies of

        sum of -w ln p over words / divisor + decay / 2 |weights|^2 + activation_decay / 2 |h|^2

    with w = `outside_weight` where the label is O, and 1 elsewhere. The divisor is 1 for a sum, as
    in the paper; for a mean it is the number of words in an average batch, so that every word has
    the same weight, whatever the lengths of the sentences in its batch.

    Args:
      config: the options.
      nets: by name.
      coding: of the labels.
      rare: words with this number or a higher one are rare: training reads some as unknown.
      words: the number of labels in an average batch.
    """
    outside = coding.labels.index("O") if "O" in coding.labels else -1
    divisor = 1.0 if config.reduction == "sum" else words

    def copy_loss(net: Labeller, params, vectors, batch: Batch, fold, key):
        key_words, key_drop = jax.random.split(key)
        if config.word_dropout:
            dropped = jax.random.bernoulli(key_words, config.word_dropout, batch.words.shape)
            unknown = dropped & (batch.words >= rare)
            batch = batch._replace(words=jnp.where(unknown, UNKNOWN, batch.words))
        logits, layers = net.logits(params, vectors, batch, key_drop)
        targets = batch.labels[:, 0] if net.whole else batch.labels.T
        nats = softmax_cross_entropy_with_integer_labels(logits, targets)
        kept = batch.folds != fold  # [B]
        counted = kept if net.whole else batch.mask.T & kept
        weights = counted * jnp.where(targets == outside, config.outside_weight, 1.0)
        loss = (nats * weights).sum() / divisor
        if config.weight_decay:
            decayed = (params["layers"], params["output"])
            loss += config.weight_decay / 2 * squares(decayed)
        if config.activation_decay:
            loss += config.activation_decay / 2 * squares([h * kept[:, None] for h in layers])
        return loss, Ratio((nats * counted).sum(), counted.sum(dtype=jnp.float32))

    def net_losses(net: Labeller, params, vectors, batch: Batch, key):
        def one(params, fold):
            return copy_loss(net, params, vectors, batch, fold, jax.random.fold_in(key, fold))

        return vmap_copies(one)(params, folds_of(config))

    def loss(params, variables, carry, batch, key):
        total, metrics, vectors = 0.0, {}, variables.get("vectors")
        for n, (name, net) in enumerate(nets.items()):
            own = jax.random.fold_in(key, n)
            losses, nats = net_losses(net, params[name], vectors, batch, own)
            total += losses.sum()
            metrics[f"{name}_nats"] = jax.tree.map(jnp.sum, nats)
        return total, (variables, carry, metrics)

    return loss


def vmap_copies(function):
    """`jax.vmap` over copies, without its cost if there is only one."""

    def mapped(*stacked):
        if len(jax.tree.leaves(stacked)[0]) > 1:
            return jax.vmap(function)(*stacked)
        one = function(*(select_copy(tree, 0) for tree in stacked))
        return jax.tree.map(lambda x: x[None], one)

    return mapped


def squares(tree) -> jax.Array:
    """The sum of all squares, in float32 whatever the precision of the step."""
    return sum(jnp.vdot(leaf, leaf, precision="float32") for leaf in jax.tree.leaves(tree))

"""The options of a language model, its net and its first parameters."""

import dataclasses

import jax
import jax.numpy as jnp

from experiments.runtime.options import Shared, option
from experiments.runtime.xla import called_once
from experiments.training.cell_options import make_cell
from nets.language_model import Dropout, LanguageModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageOptions(Shared):
    """What the nets have in common that read characters and words."""

    valid_percent: float = option(10.0, "of the text, before the test part", least=0.0, most=49.0)
    test_percent: float = option(10.0, "of the text, from its end", least=0.1, most=49.0)
    cell: str = option("lstm", "rnn (tanh), rnn_relu, rnn_sigmoid, irnn, lstm, gru (reset before "
                       "the product), gru_after",
                       choices=("rnn", "rnn_relu", "rnn_sigmoid", "irnn", "lstm", "gru",
                                "gru_after"))
    peepholes: bool = option(False, "lstm: the gates see the cell")
    forget_bias: float = option(1.0, "lstm: first bias of the forget gate")
    hidden: int = option(128, "units of a layer", least=1, most=65_536)
    layers: int = option(1, "cells on top of one another", least=1, most=100)
    embedding: int = option(0, "length of a symbol's vector; 0: one-hot", least=0, most=65_536)
    dropout: float = option(0.0, "share of a layer's outputs left out", least=0.0, most=0.99)
    init: str = option("default", "first weights: default (orthogonal and LeCun's), normal "
                       "(biases 0), uniform (biases too)",
                       choices=("default", "normal", "uniform"))
    init_scale: float = option(0.08, "normal: deviation; uniform: limit", least=0.0)
    unroll: int = option(64, "steps back in time of a gradient", least=1, most=1_000_000)
    recompute: bool = option(False, "for long windows: keep the state of every sqrt(unroll)-th "
                             "step alone for the backward pass and compute the rest again; the "
                             "same gradient in less memory and more time", identity=False)
    optimizer: str = option("adam", "the rule", choices=("sgd", "adagrad", "rmsprop", "adam"))
    clip_value: float = option(0.0, "limit of each entry of the gradient; 0: none", least=0.0)
    clip_norm: float = option(1.0, "limit of the gradient's norm; 0: none", least=0.0)
    schedule: str = option("cosine", "of the learning rate: constant, cosine, decay (by pass)",
                           choices=("constant", "cosine", "decay"))
    decay: float = option(0.95, "factor of a falling learning rate", least=0.0)
    decay_after: int = option(10, "decay: passes before the first decay", least=0)
    batch_size: int = option(32, "texts side by side, over all devices", least=1, most=65_536)
    learning_rate: float = option(5e-3, "first step size of the optimiser", least=0.0)


def make_model(config: LanguageOptions, symbols: int) -> LanguageModel:
    """The net: `layers` cells of `hidden` units over an alphabet of so many symbols."""
    cells = (make_cell(config),) * config.layers
    return LanguageModel(cells, symbols, config.embedding, Dropout(config.dropout))


def first_parameters(config: LanguageOptions, model: LanguageModel, seed: int):
    """The parameters as `--init` wants them drawn."""
    params = called_once(model.init, jax.random.key(seed))
    if config.init == "default":
        return params
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), len(leaves))
    drawn = [_drawn(config, *pair) for pair in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, drawn)


def _drawn(config, key, leaf):
    bias = leaf.ndim == 1  # keeps what it begins with: 0, or the forget bias
    if config.init == "normal":
        return leaf if bias else config.init_scale * jax.random.normal(key, leaf.shape)
    limit = config.init_scale
    noise = jax.random.uniform(key, leaf.shape, jnp.float32, -limit, limit)
    return leaf + noise if bias else noise

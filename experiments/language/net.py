"""The options of a language model, and the net that they describe."""

import dataclasses

from data.errors import UserError
from experiments.runtime.options import Shared, option
from experiments.training.cell_options import make_cell
from nets.language_model import Dropout, LanguageModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageOptions(Shared):
    """The options that character and word models share."""

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
    """A net of `layers` cells of `hidden` units for an alphabet of `symbols` symbols."""
    cells = (make_cell(config),) * config.layers
    return LanguageModel(cells, symbols, config.embedding, Dropout(config.dropout))


def make_word_model(config, words: int) -> LanguageModel:
    """The net for a vocabulary of `words` words; raises UserError for incompatible options."""
    if config.tied and config.embedding != config.hidden:
        raise UserError(
            f"--tied needs --embedding={config.hidden}, the value of --hidden; it is "
            f"{config.embedding}."
        )
    if config.word_dropout and not config.embedding:
        raise UserError("--word_dropout needs an --embedding above 0.")
    dropout = Dropout(
        config.dropout, config.same_mask, config.recurrent_dropout, config.word_dropout
    )
    model = make_model(config, words)
    return dataclasses.replace(model, dropout=dropout, tied=config.tied)

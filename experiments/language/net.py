"""The options of a language model, and the net that they describe."""

import dataclasses

from data.errors import UserError
from experiments.runtime.options import option
from experiments.training.cell_options import LayerOptions, make_cell
from experiments.training.first_parameters import InitOptions
from experiments.training.kept import KeepOptions
from experiments.training.optimizer import DecayOptions
from nets.language_model import Dropout, LanguageModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageOptions(LayerOptions, InitOptions, DecayOptions, KeepOptions):
    """The options that character and word models share."""

    heading = "Language model"

    valid_percent: float = option(10.0, "percentage of the text to validate on, before the test",
                                  least=0.0, most=49.0)
    test_percent: float = option(10.0, "percentage of the text to test on, from its end", least=0.1,
                                 most=49.0)
    valid: str = option("", "a text file to validate on, in place of --valid_percent of the text",
                        identity=False)
    test: str = option("", "a text file to test on, in place of --test_percent of the text",
                       identity=False)
    eval_symbols: int = option(0, "evaluate on the first symbols alone, this many, of the "
                               "validation and test parts; 0: on all", least=0, identity=False)
    embedding: int = option(0, "length of a symbol's vector; 0: one-hot", least=0, most=65_536)
    dropout: float = option(0.0, "dropout rate of layer outputs", least=0.0, most=0.99)
    unroll: int = option(64, "time steps of truncated backpropagation", least=1, most=1_000_000)
    recompute: bool = option(False, "for long windows: keep only the state of every "
                             "sqrt(unroll)-th step for the backward pass and recompute the rest; "
                             "the same gradient in less memory and more time", identity=False)
    batch_size: int = option(32, "texts read in parallel, over all devices", least=1, most=65_536)
    learning_rate: float = option(5e-3, "initial learning rate", least=0.0)


def limit_figures(config: LanguageOptions) -> dict[str, int]:
    """For a run's table: to how many symbols of a part its evaluations are limited, if they are."""
    return {"evaluated_symbols_at_most": config.eval_symbols} if config.eval_symbols else {}


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

"""From the options of the word language model to its net."""

import dataclasses

from data.errors import UserError
from experiments.language.net import make_model
from nets.language_model import Dropout, LanguageModel


def make_word_model(config, words: int) -> LanguageModel:
    """The net over so many words; raises UserError for options that do not go together."""
    if config.tied and config.embedding != config.hidden:
        raise UserError(
            f"--tied needs --embedding to be --hidden ({config.hidden}), and it is "
            f"{config.embedding}: make the two the same."
        )
    if config.word_dropout and not config.embedding:
        raise UserError("--word_dropout needs --embedding: give the words vectors.")
    dropout = Dropout(
        config.dropout, config.same_mask, config.recurrent_dropout, config.word_dropout
    )
    model = make_model(config, words)
    return dataclasses.replace(model, dropout=dropout, tied=config.tied)

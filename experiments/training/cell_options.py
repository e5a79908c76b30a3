"""From the options of a recurrent experiment to its cell."""

import jax

from nets.cells import GRU, LSTM, RNN, identity_rnn


def make_cell(config):
    """The cell that `--cell` names, of `hidden` units; an LSTM's options are read for it alone."""
    return {
        "rnn": lambda: RNN(config.hidden),
        "rnn_relu": lambda: RNN(config.hidden, jax.nn.relu),
        "rnn_sigmoid": lambda: RNN(config.hidden, jax.nn.sigmoid),
        "irnn": lambda: identity_rnn(config.hidden),
        "lstm": lambda: LSTM(config.hidden, config.peepholes, config.forget_bias),
        "gru": lambda: GRU(config.hidden),
        "gru_after": lambda: GRU(config.hidden, reset_after=True),
    }[config.cell]()

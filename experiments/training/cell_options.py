"""The options of a recurrent net, and its cell."""

import dataclasses

import jax

from experiments.runtime.options import Shared, option
from nets.cells import GRU, LSTM, RNN, identity_rnn

CELLS = ("rnn", "rnn_relu", "rnn_sigmoid", "irnn", "lstm", "gru", "gru_after")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellOptions(Shared):
    """Options of an experiment with one kind of recurrent cell."""

    heading = "Recurrent net"

    cell: str = option("lstm", "rnn (tanh), rnn_relu, rnn_sigmoid, irnn, lstm, gru (reset before "
                       "the product), gru_after", choices=CELLS)
    hidden: int = option(128, "units of a layer", least=1, most=65_536)
    peepholes: bool = option(False, "lstm: peephole connections from the cell to the gates")
    forget_bias: float = option(1.0, "lstm: initial bias of the forget gate")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerOptions(CellOptions):
    """The same, with any number of layers."""

    layers: int = option(1, "number of layers", least=1, most=100)


def cell_name(cell: str) -> str:
    """What `--cell` is called in a sentence, such as `LSTM` or `tanh RNN`."""
    return {
        "rnn": "tanh RNN", "rnn_relu": "ReLU RNN", "rnn_sigmoid": "sigmoid RNN", "irnn": "IRNN",
        "lstm": "LSTM", "gru": "GRU", "gru_after": "GRU",
    }[cell]  # fmt: skip


def make_cell(config: CellOptions):
    """The cell that `--cell` names, of `hidden` units; other cells ignore an LSTM's options."""
    return {
        "rnn": lambda: RNN(config.hidden),
        "rnn_relu": lambda: RNN(config.hidden, jax.nn.relu),
        "rnn_sigmoid": lambda: RNN(config.hidden, jax.nn.sigmoid),
        "irnn": lambda: identity_rnn(config.hidden),
        "lstm": lambda: LSTM(config.hidden, config.peepholes, config.forget_bias),
        "gru": lambda: GRU(config.hidden),
        "gru_after": lambda: GRU(config.hidden, reset_after=True),
    }[config.cell]()

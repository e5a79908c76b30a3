"""A recurrent net that reads a sequence and says something of it: at its end, or at each step.

    h_t = cell(h_{t-1}, x_t),    y = W h_T + b    or    y_t = W h_t + b
"""

import dataclasses
from typing import Any

import jax

from .affine import init_linear, linear
from .cells import hidden_state
from .unroll import unroll


@dataclasses.dataclass(frozen=True)
class SequenceReader:
    """A cell under a linear output layer; `inputs` is D, or the number of one-hot symbols."""

    cell: Any
    inputs: int
    outputs: int

    def init(self, key):
        """Parameters `cell` and `output`."""
        key_cell, key_output = jax.random.split(key)
        return {
            "cell": self.cell.init(key_cell, self.inputs),
            "output": init_linear(key_output, self.cell.hidden, self.outputs),
        }

    def each(self, params, xs, mask=None):
        """What is said at each step of xs [T, B, D] or integers [T, B]: [T, B, O]."""
        _, ys = unroll(self.cell, params["cell"], xs, mask=mask)
        return linear(params["output"], ys)

    def last(self, params, xs, mask=None):
        """What is said at the end of each row, after its last real step: [B, O]."""
        carry, _ = unroll(self.cell, params["cell"], xs, mask=mask)
        return linear(params["output"], hidden_state(carry))

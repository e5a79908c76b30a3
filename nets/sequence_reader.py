"""Many to one, or many to many: a recurrent net with outputs at the end, or at each step.

    h_t = cell(h_{t-1}, x_t),    y = W h_T + b    or    y_t = W h_t + b
"""

import dataclasses

import jax

from .affine import init_linear, linear
from .cells import Cell, Params, hidden_state
from .unroll import unroll


@dataclasses.dataclass(frozen=True)
class SequenceReader:
    """A cell with a linear output layer; `inputs` is D, or the number of one-hot symbols."""

    cell: Cell
    inputs: int
    outputs: int

    def init(self, key: jax.Array) -> Params:
        """Parameters `cell` and `output`."""
        key_cell, key_output = jax.random.split(key)
        return {
            "cell": self.cell.init(key_cell, self.inputs),
            "output": init_linear(key_output, self.cell.hidden, self.outputs),
        }

    def each(self, params: Params, xs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """The outputs at each step of xs [T, B, D] or integers [T, B]: [T, B, O]."""
        _, ys = unroll(self.cell, params["cell"], xs, mask=mask)
        return linear(params["output"], ys)

    def last(self, params: Params, xs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """The outputs after each row's last real step: [B, O]."""
        carry, _ = unroll(self.cell, params["cell"], xs, mask=mask)
        return linear(params["output"], hidden_state(carry))

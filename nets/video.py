"""The composite LSTM for films (Srivastava, Mansimov, Salakhutdinov 2015).

An encoder reads the frames x_1, ..., x_T. Its last state is the first state of two decoders: one
reconstructs the past from its end, x_T, ..., x_1, the other predicts the future, x_{T+1}, ...:

    h_t = LSTM(h_{t-1}, y_{t-1}),    p(pixel of y_t) = sigmoid(W h_t + b)

A conditional decoder reads its own previous frame, as the pixels' probabilities, and 0 before the
first; the others have no input. Frames are vectors: [T, B, P], P pixels.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax

from .affine import init_linear, linear
from .cells import LSTM, Memory, Params
from .unroll import unroll

PAST, FUTURE = "past", "future"


@dataclasses.dataclass(frozen=True)
class Composite:
    """`decoders` are the names of those there are, `conditional` of those that are conditional."""

    cell: LSTM
    pixels: int
    decoders: tuple[str, ...] = (PAST, FUTURE)
    conditional: tuple[str, ...] = ()

    def init(self, key: jax.Array) -> Params:
        """Parameters `encoder`, and by each decoder's name its `cell` and `output`."""
        key, *keys = jax.random.split(key, 1 + len(self.decoders))
        decoders = zip(self.decoders, keys, strict=True)
        return {
            "encoder": self.cell.init(key, self.pixels),
            **{name: self._decoder(key, name) for name, key in decoders},
        }

    def _decoder(self, key, name):
        key_cell, key_output = jax.random.split(key)
        cell = self.cell.init(key_cell, self.pixels)
        if name not in self.conditional:  # it has no input
            cell = {gate: {k: v for k, v in w.items() if k != "x"} for gate, w in cell.items()}
        output = init_linear(key_output, self.cell.hidden, self.pixels, self.cell.draw_x)
        return {"cell": cell, "output": output}

    def encode(self, params: Params, frames: jax.Array) -> Memory:
        """The state after frames [T, B, P]."""
        return unroll(self.cell, params["encoder"], frames)[0]

    def decode(self, params: Params, name: str, carry: Memory, steps: int) -> jax.Array:
        """Logits [T, B, P] of the T = `steps` frames that a decoder predicts from a state."""
        cell, batch = params[name]["cell"], carry.h.shape[0]
        if name not in self.conditional:
            cell = {gate: {"x": jnp.zeros((0, self.cell.hidden)), **w} for gate, w in cell.items()}
            _, hs = unroll(self.cell, cell, jnp.zeros((steps, batch, 0)), carry)
            return linear(params[name]["output"], hs)

        def step(state, _):
            carry, frame = state
            carry, hs = unroll(self.cell, cell, frame[None], carry)
            logits = linear(params[name]["output"], hs[0])
            return (carry, jax.nn.sigmoid(logits)), logits

        first = carry, jnp.zeros((batch, self.pixels))
        return lax.scan(step, first, jnp.arange(steps))[1]

"""One to many: a picture drawn row by row from its class.

    h_0 = E c                                  one vector for each class
    h_t = cell(h_{t-1}, x_{t-1}),              x_0 = 0
    p(pixel j of row t is ink) = sigmoid(W h_t + b)_j

so that p(picture | c) is the product over rows and over the pixels of a row, which are independent
given the rows above. Rows are vectors of 0 and 1: [T, B, W].
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import initializers

from .affine import init_linear, linear
from .cells import Cell, Params, with_hidden_state
from .unroll import unroll


@dataclasses.dataclass(frozen=True)
class RowWriter:
    """A cell that writes rows of `width` pixels, for `classes` classes of pictures."""

    cell: Cell
    classes: int
    width: int

    def init(self, key: jax.Array) -> Params:
        """Parameters `class`, `cell` and `output`."""
        keys = jax.random.split(key, 3)
        return {
            "class": initializers.normal(1.0)(keys[0], (self.classes, self.cell.hidden)),
            "cell": self.cell.init(keys[1], self.width),
            "output": init_linear(keys[2], self.cell.hidden, self.width),
        }

    def begin(self, params: Params, classes: jax.Array) -> Any:
        """The first carry for classes [B]."""
        return with_hidden_state(self.cell.carry(classes.shape[0]), params["class"][classes])

    def rows(self, params: Params, carry: Any, above: jax.Array) -> tuple[Any, jax.Array]:
        """Rows [T, B, W] to the carry after them and the logits [T, B, W] of the rows below."""
        carry, hs = unroll(self.cell, params["cell"], above, carry)
        return carry, linear(params["output"], hs)

    def log_p(self, params: Params, classes: jax.Array, pictures: jax.Array) -> jax.Array:
        """ln p of pictures [T, B, W] of 0 and 1 given their classes [B]: [B]."""
        above = jnp.concatenate([jnp.zeros_like(pictures[:1]), pictures[:-1]])
        _, logits = self.rows(params, self.begin(params, classes), above)
        return (pictures * logits - jax.nn.softplus(logits)).sum((0, 2))

    def sample(self, params: Params, classes: jax.Array, key: jax.Array, steps: int) -> jax.Array:
        """A picture of `steps` rows for each of the classes [B]: [T, B, W]."""

        def step(state, key):
            carry, row = state
            carry, logits = self.rows(params, carry, row[None])
            row = jax.random.bernoulli(key, jax.nn.sigmoid(logits[0])).astype(logits.dtype)
            return (carry, row), row

        first = self.begin(params, classes), jnp.zeros((len(classes), self.width))
        return lax.scan(step, first, jax.random.split(key, steps))[1]

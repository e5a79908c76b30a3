"""A sequence from one vector: a picture drawn row by row from the name of its class.

    h_0 = E c                                  one vector for each class
    h_t = cell(h_{t-1}, x_{t-1}),              x_0 = 0
    p(pixel j of row t is ink) = sigmoid(W h_t + b)_j

so that p(picture | c) is the product over rows, and over the pixels of a row, which are drawn
independently given the rows above. Rows are vectors of 0 and 1: [T, B, W].
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import initializers

from .affine import init_linear, linear
from .cells import with_hidden_state
from .unroll import unroll


@dataclasses.dataclass(frozen=True)
class RowWriter:
    """A cell that writes rows of `width` pixels of one of `classes`."""

    cell: Any
    classes: int
    width: int

    def init(self, key):
        """Parameters `class`, `cell` and `output`."""
        keys = jax.random.split(key, 3)
        return {
            "class": initializers.normal(1.0)(keys[0], (self.classes, self.cell.hidden)),
            "cell": self.cell.init(keys[1], self.width),
            "output": init_linear(keys[2], self.cell.hidden, self.width),
        }

    def begin(self, params, classes):
        """The first carry of each of the classes [B]."""
        return with_hidden_state(self.cell.carry(classes.shape[0]), params["class"][classes])

    def rows(self, params, carry, above):
        """What comes below rows [T, B, W]: the carry, and the logits [T, B, W]."""
        carry, hs = unroll(self.cell, params["cell"], above, carry)
        return carry, linear(params["output"], hs)

    def log_p(self, params, classes, pictures):
        """ln p of pictures [T, B, W] of 0 and 1 in classes [B]: [B]."""
        above = jnp.concatenate([jnp.zeros_like(pictures[:1]), pictures[:-1]])
        _, logits = self.rows(params, self.begin(params, classes), above)
        return (pictures * logits - jax.nn.softplus(logits)).sum((0, 2))

    def drawn(self, params, classes, key, steps):
        """A picture of each of the classes [B], row by row: [T, B, W]."""

        def step(state, key):
            carry, row = state
            carry, logits = self.rows(params, carry, row[None])
            row = jax.random.bernoulli(key, jax.nn.sigmoid(logits[0])).astype(logits.dtype)
            return (carry, row), row

        first = self.begin(params, classes), jnp.zeros((len(classes), self.width))
        return lax.scan(step, first, jax.random.split(key, steps))[1]

"""The deep bidirectional recurrent net (Irsoy and Cardie 2014): a label for each word.

Layer i has a forward and a backward net, > and <; each sees both directions of the layer below:

    h>_t^i = phi(W>>^i h>_t^{i-1} + W<>^i h<_t^{i-1} + V>^i h>_{t-1}^i + b>^i)
    h<_t^i = phi(W><^i h>_t^{i-1} + W<<^i h<_t^{i-1} + V<^i h<_{t+1}^i + b<^i)
    y_t    = softmax(U> h>_t^L + U< h<_t^L + c)

The first layer reads x_t in place of the layer below, and the output sees the last layer alone.
The authors' code calls the four matrices WWff, WWbf, WWfb and WWbb. W>> and W<> have one sum, so
here they lie one above the other in the forward net's `x`, and the layer below is [h>, h<] side by
side: the wiring that joins the directions between layers, as other authors draw it, is this very
net. `phi` may be any cell of `nets.cells`.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from .affine import init_linear, linear
from .cells import hidden_state
from .unroll import both_directions, dropout, unroll


@dataclasses.dataclass(frozen=True)
class Tagger:
    """The sizes of a net; its methods are pure functions of explicit parameters.

    `rate` is the share of each layer's units that dropout leaves out, the same units at all time
    steps of a sequence; the others are scaled by 1 / (1 - rate), which is the paper's rule (it
    scales by 1 - rate when testing) with the factor at the other end.
    """

    cell: Any  # of every layer and direction
    layers: int
    inputs: int  # D
    labels: int  # C
    backward: bool = True  # False: the forward nets alone
    rate: float = 0.0

    @property
    def width(self) -> int:
        """How many numbers a layer gives out at each step."""
        return self.cell.hidden * (2 if self.backward else 1)

    def init(self, key):
        """Parameters: `layers`, a tuple of (forward, backward) or (forward,), and `output`."""
        keys = jax.random.split(key, (self.layers + 1, 2))
        widths = [self.inputs] + [self.width] * (self.layers - 1)
        directions = range(2 if self.backward else 1)
        return {
            "layers": tuple(
                tuple(self.cell.init(keys[n, side], width) for side in directions)
                for n, width in enumerate(widths)
            ),
            "output": init_linear(keys[-1, 0], self.width, self.labels),
        }

    def hidden(self, params, xs, mask=None, key=None):
        """What every layer gives out: a list of [T, B, width], and the top layer's last carries.

        Args:
            params: from `init`.
            xs: [T, B, D].
            mask: booleans [T, B], true at real words.
            key: for dropout, where there is to be some.
        """
        found, carries = [], None
        for n, weights in enumerate(params["layers"]):
            xs = self._drop(key, n, xs) if n else xs
            if self.backward:
                pair = (self.cell, self.cell)
                carries, xs = both_directions(pair, weights, xs, mask=mask)
            else:
                carry, xs = unroll(self.cell, weights[0], xs, mask=mask)
                carries = (carry,)
            found.append(xs)
        return found, carries

    def each(self, params, xs, mask=None, key=None):
        """Logits of each word's label [T, B, C], and `hidden`'s layers."""
        found, _ = self.hidden(params, xs, mask, key)
        return linear(params["output"], self._drop(key, self.layers, found[-1])), found

    def whole(self, params, xs, mask=None, key=None):
        """Logits of the whole sequence's label [B, C], and `hidden`'s layers.

        Many to one: the forward net speaks after its last word, the backward net after its own,
        which is the sequence's first.
        """
        found, carries = self.hidden(params, xs, mask, key)
        ends = jnp.concatenate([hidden_state(carry) for carry in carries], -1)  # [B, width]
        return linear(params["output"], self._drop(key, self.layers, ends[None])[0]), found

    def _drop(self, key, n, ys):
        if key is None or not self.rate:
            return ys
        return dropout(key, self.rate, same_each_step=True)(n, ys)

"""The deep bidirectional recurrent net (Irsoy and Cardie 2014): a label for each word.

Layer i has a forward net > and a backward net <; each reads both directions of the layer below:

    h>_t^i = phi(W>>^i h>_t^{i-1} + W<>^i h<_t^{i-1} + V>^i h>_{t-1}^i + b>^i)
    h<_t^i = phi(W><^i h>_t^{i-1} + W<<^i h<_t^{i-1} + V<^i h<_{t+1}^i + b<^i)
    y_t    = softmax(U> h>_t^L + U< h<_t^L + c)

The first layer reads x_t in place of the layer below, and the output reads the last layer alone.
The authors' code calls the four matrices WWff, WWbf, WWfb and WWbb. The products of W>> and W<> are
summed, so here the two are stacked in the forward net's `x`, and the layer below is [h>, h<] side
by side: concatenating the directions between layers, as other authors draw it, is this very net.
`phi` may be any cell of cells.py.
"""

import dataclasses

import jax
import jax.numpy as jnp

from .affine import init_linear, linear
from .cells import Cell, Params, hidden_state
from .unroll import both_directions, dropout, unroll


@dataclasses.dataclass(frozen=True)
class Tagger:
    """The sizes of a net; its methods are pure functions of explicit parameters.

    `rate` is the dropout rate of each layer's units. The same units are dropped at all time steps
    of a sequence, and the others scaled by 1 / (1 - rate); the paper scales by 1 - rate at test
    time instead, which is the same net.
    """

    cell: Cell  # of every layer and direction
    layers: int
    inputs: int  # D
    labels: int  # C
    backward: bool = True  # False: the forward nets alone
    rate: float = 0.0

    @property
    def width(self) -> int:
        """The length of a layer's output at each step."""
        return self.cell.hidden * (2 if self.backward else 1)

    def init(self, key: jax.Array) -> Params:
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

    def hidden(
        self,
        params: Params,
        xs: jax.Array,
        mask: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> tuple[list[jax.Array], tuple]:
        """The outputs of every layer, a list of [T, B, width], and the top layer's last carries.

        Args:
            params: from `init`.
            xs: [T, B, D].
            mask: booleans [T, B], true at real words.
            key: for dropout; None for none.
        """
        outputs: list[jax.Array] = []
        carries: tuple = ()
        for n, weights in enumerate(params["layers"]):
            xs = self._drop(key, n, xs) if n else xs
            if self.backward:
                pair = (self.cell, self.cell)
                carries, xs = both_directions(pair, weights, xs, mask=mask)
            else:
                carry, xs = unroll(self.cell, weights[0], xs, mask=mask)
                carries = (carry,)
            outputs.append(xs)
        return outputs, carries

    def each(
        self,
        params: Params,
        xs: jax.Array,
        mask: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Logits of each word's label [T, B, C], and the layers' outputs; see `hidden`."""
        outputs, _ = self.hidden(params, xs, mask, key)
        return linear(params["output"], self._drop(key, self.layers, outputs[-1])), outputs

    def whole(
        self,
        params: Params,
        xs: jax.Array,
        mask: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Logits of the whole sequence's label [B, C], and the layers' outputs; see `hidden`.

        Many to one: they depend on the forward net's state after the last word and the backward
        net's after the first, where each has read the whole sequence.
        """
        outputs, carries = self.hidden(params, xs, mask, key)
        ends = jnp.concatenate([hidden_state(carry) for carry in carries], -1)  # [B, width]
        return linear(params["output"], self._drop(key, self.layers, ends[None])[0]), outputs

    def _drop(self, key, n, ys):
        if key is None or not self.rate:
            return ys
        return dropout(key, self.rate, same_each_step=True)(n, ys)

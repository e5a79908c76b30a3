"""The convolutional sentence model of Kalchbrenner and Blunsom 2013: words to one vector.

    E_1 = the word vectors                                   [m, D]
    E_i[s, d] = tanh(sum_j K_i[j, d] E_{i-1}[s + j, d])      i = 2, 3, ...: i words at a time

Each layer is a one-dimensional convolution, feature by feature, and shortens the sentence by i - 1.
When fewer than i columns are left, a kernel of exactly that many reduces them to one, which is v.
Written from memory of the paper: tanh for its sigma, and the initial weights, are guesses.
"""

import dataclasses

import jax
import jax.numpy as jnp

from .cells import Params


@dataclasses.dataclass(frozen=True)
class SentenceConvolution:
    """Kernels of 2 to `widest` columns; a sentence has at most `longest` words."""

    widest: int = 12

    @property
    def longest(self) -> int:
        """How many words the layers reduce to one column; words after these are not read."""
        return self.widest * (self.widest - 1) // 2 + 1

    def init(self, key: jax.Array, inputs: int) -> Params:
        """`kernels` and `rests` [widest - 1, widest, D]; kernel n has n + 2 columns, then zeros."""
        columns = jnp.arange(2, self.widest + 1)[:, None, None]
        real = jnp.arange(self.widest)[None, :, None] < columns
        shape = (self.widest - 1, self.widest, inputs)
        drawn = jax.random.normal(key, (2, *shape)) / jnp.sqrt(columns) * real
        return {"kernels": drawn[0], "rests": drawn[1]}

    def vector(self, params: Params, xs: jax.Array, mask: jax.Array) -> jax.Array:
        """v [B, D] of word vectors xs [S, B, D]; 0 for a sentence without words."""
        xs = xs[: self.longest]
        length = mask[: self.longest].sum(0)  # [B]
        for width in range(2, self.widest + 1):
            if len(xs) > 1:
                xs, length = self._layer(params, width, xs, length)
        return jnp.where(length[:, None] > 0, xs[0], 0)

    def _layer(self, params, width, xs, length):
        padded = jnp.pad(xs, ((0, width - 1), (0, 0), (0, 0)))
        kernel, steps = params["kernels"][width - 2], max(1, len(xs) - width + 1)
        whole = sum(kernel[j] * padded[j : j + steps] for j in range(width))  # [S', B, D]
        # for each row the kernel of as many columns as it has left
        rest = params["rests"][jnp.clip(length - 2, 0, self.widest - 2), :width]  # [B, width, D]
        left = jnp.arange(width) < length[:, None]  # [B, width]
        last = jnp.einsum("bjd,jbd,bj->bd", rest, padded[:width], left.astype(xs.dtype))
        last = jnp.zeros_like(whole).at[0].set(last)
        new = jnp.tanh(jnp.where((length >= width)[:, None], whole, last))
        new = jnp.where((length > 1)[:, None], new, xs[:steps])  # a single column is v already
        return new, jnp.where(length >= width, length - width + 1, jnp.minimum(length, 1))

"""LeNet-5, layer by layer as in the paper, and its smaller relatives.

LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition.
Proceedings of the IEEE 86(11), 1998; section II.B. In short, for a 32x32 field:

    C1  6 maps,  5x5                 156     squash(K * x + b)
    S2  6 maps,  2x2                  12     squash(w0 + w1 (x1 + x2 + x3 + x4))
    C3  16 maps, 5x5, TABLE I      1,516
    S4  16 maps, 2x2                  32
    C5  120 maps, 5x5 over all 16  48,120    (a map is one unit: a full connection)
    F6  84 units                   10,164
    output  10 radial basis units       0    sum_j (x_j - w_ij)^2, w a 7x12 bitmap
                                   60,000

Every unit up to F6 squashes its sum by 1.7159 tanh(2/3 a), which has f(1) = 1, f(-1) = -1.

Maps are [t, t, C, H/t, W/t, B] in this file: the batch last, and each tile of t x t pixels kept
as t^2 maps; each subsampling halves t. On a CPU this was measured to be up to three times faster
than the usual order, for one image as for 512 (see convolution.py).
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from .bitmaps import digit_bitmaps
from .convolution import convolve_tiles, on_each_map, sums_of_four, to_tiles
from .differentiation import GRADIENT, Rule

# TABLE I: the maps of S2 that each map of C3 sees.
TABLE_I = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


def squash(a: jax.Array) -> jax.Array:
    """The paper's sigmoid, A tanh(S a) with A = 1.7159 and S = 2/3."""
    return 1.7159 * jnp.tanh((2 / 3) * a)


def retina(images: jax.Array, border: int = 2) -> jax.Array:
    """Digits uint8 [B, 28, 28] centred in a field of 32x32; white -0.1, ink 1.175; t = 4."""
    pixels = images.transpose(1, 2, 0)[None].astype(jnp.float32) * (1.275 / 255) - 0.1
    rim = (border, border)
    return to_tiles(jnp.pad(pixels, ((0, 0), rim, rim, (0, 0)), constant_values=-0.1), 4)


def uniform_by_fan_in(fan_in: np.ndarray | int) -> nn.initializers.Initializer:
    """U(-2.4 / F, 2.4 / F), F the number of a unit's inputs; broadcast over the last axis."""

    def initializer(key, shape, dtype=jnp.float32):
        limit = jnp.asarray(2.4 / np.asarray(fan_in), dtype)
        return limit * jax.random.uniform(key, shape, dtype, minval=-1.0, maxval=1.0)

    return initializer


class Convolution(nn.Module):
    """5x5 kernels over the maps in `connections`, one list of input maps per output map.

    There is one kernel per connection, so that `kernel` is [5, 5, number of connections].
    """

    connections: Sequence[Sequence[int]]
    rule: Rule = GRADIENT

    @nn.compact
    def __call__(self, xs: jax.Array) -> jax.Array:
        inputs = np.concatenate(self.connections)
        outputs = np.repeat(np.arange(len(self.connections)), [len(c) for c in self.connections])
        fan_in = 25 * np.bincount(outputs)
        kernel = self.param("kernel", uniform_by_fan_in(fan_in[outputs]), (5, 5, len(inputs)))
        bias = self.param("bias", uniform_by_fan_in(fan_in), fan_in.shape)
        whole = jnp.zeros((5, 5, xs.shape[2], len(fan_in))).at[:, :, inputs, outputs].set(kernel)
        sums = self.rule.linear(convolve_tiles)(whole, xs)
        return self.rule.pointwise(squash)(sums + on_each_map(bias, sums))


class Subsampling(nn.Module):
    """squash(w0 + w1 (x1 + x2 + x3 + x4)): halves each side of a map; each map has its w0, w1."""

    rule: Rule = GRADIENT

    @nn.compact
    def __call__(self, xs: jax.Array) -> jax.Array:
        maps = xs.shape[2]
        coefficient = self.param("coefficient", uniform_by_fan_in(4), (maps,))
        bias = self.param("bias", uniform_by_fan_in(4), (maps,))
        four = sums_of_four(xs)
        sums = self.rule.linear(times_each_map)(coefficient, four)
        return self.rule.pointwise(squash)(sums + on_each_map(bias, sums))


def times_each_map(coefficient: jax.Array, xs: jax.Array) -> jax.Array:
    """Each map of xs [t, t, C, h, w, B] times its coefficient, [C]."""
    return on_each_map(coefficient, xs) * xs


def in_a_row(maps: jax.Array) -> jax.Array:
    """Maps [1, 1, C, H, W, B] flattened to vectors [B, H*W*C]."""
    return maps[0, 0].transpose(3, 1, 2, 0).reshape(maps.shape[-1], -1)


def matrix_product(weights: jax.Array, xs: jax.Array) -> jax.Array:
    """xs [B, D] times weights [D, H]."""
    return xs @ weights


class FullConnection(nn.Module):
    """Weighted sums of all inputs, W x + b, without a non-linearity."""

    units: int
    rule: Rule = GRADIENT

    @nn.compact
    def __call__(self, xs: jax.Array) -> jax.Array:
        inputs = xs.shape[-1]
        weights = self.param("weights", uniform_by_fan_in(inputs), (inputs, self.units))
        bias = self.param("bias", uniform_by_fan_in(inputs), (self.units,))
        return self.rule.linear(matrix_product)(weights, xs) + bias


class LeNet5(nn.Module):
    """Digits uint8 [B, 28, 28] to scores [B, 10], the higher the likelier.

    A score is the negative of the paper's penalty y_i, the squared distance between F6 and the
    bitmap of digit i. With `softmax` the output layer is the lecture's instead: 850 more weights,
    and the scores are logits.
    """

    softmax: bool = False
    classes: int = 10
    rule: Rule = GRADIENT

    def setup(self) -> None:
        rule = self.rule
        self.C1 = Convolution(((0,),) * 6, rule)
        self.S2 = Subsampling(rule)
        self.C3 = Convolution(TABLE_I, rule)
        self.S4 = Subsampling(rule)
        self.C5 = FullConnection(120, rule)
        self.F6 = FullConnection(84, rule)
        if self.softmax:
            self.output = FullConnection(self.classes, rule)

    def state(self, images: jax.Array) -> jax.Array:
        """What the output units read: F6 [B, 84], or with `softmax` the logits [B, 10]."""
        f = self.rule.pointwise(squash)
        maps = self.S4(self.C3(self.S2(self.C1(retina(images)))))  # [1, 1, 16, 5, 5, B]
        f6 = f(self.F6(f(self.C5(in_a_row(maps)))))
        return self.output(f6) if self.softmax else f6

    def scores(self, state: jax.Array) -> jax.Array:
        """The scores [B, 10] from what `state` gives."""
        return state if self.softmax else -squared_distances(state, digit_bitmaps())

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.scores(self.state(images))


class LeNet4(nn.Module):
    """Digits uint8 [B, 28, 28] to logits [B, C]: 4 maps, 16 maps, 120 units.

    The paper speaks of "about 17,000" weights, which do not follow from its description: 120 units
    that each see all of 16 maps of 5x5 have 48,120. This is the net described; it has 51,090.
    """

    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        maps = Subsampling(name="S2")(Convolution(((0,),) * 4, name="C1")(retina(images)))
        maps = Subsampling(name="S4")(Convolution((range(4),) * 16, name="C3")(maps))
        c5 = squash(FullConnection(120, name="C5")(in_a_row(maps)))
        return FullConnection(self.classes, name="output")(c5)


# The maps of H2 that each map of H3 sees in LeNet-1 (LeCun et al., NIPS 2, 1990). Written from
# memory; its 20 connections give the published 2,578 weights.
LENET_1_TABLE = (
    *((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1)),
    *((2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3)),
)


class LeNet1(nn.Module):
    """Digits uint8 [B, 28, 28] to logits [B, C] with 2,578 weights: 4 maps, then 12."""

    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        field = retina(images, border=0)
        maps = Subsampling(name="H2")(Convolution(((0,),) * 4, name="H1")(field))
        maps = Subsampling(name="H4")(Convolution(LENET_1_TABLE, name="H3")(maps))
        return FullConnection(self.classes, name="output")(in_a_row(maps))


def squared_distances(xs: jax.Array, codes: jax.Array | np.ndarray) -> jax.Array:
    """Euclidean radial basis units: sum_j (x_j - w_ij)^2 of xs [B, 84], codes [C, 84]: [B, C]."""
    return jnp.square(xs[:, None] - codes).sum(-1)


def map_loss(scores: jax.Array, labels: jax.Array, rubbish: float) -> jax.Array:
    """Equation 9 for each example: y_D + log(exp(-j) + sum_i exp(-y_i)), y = -scores; [B].

    `rubbish` is the paper's j > 0, the penalty of a rubbish class for images of no digit.
    """
    rivals = jnp.pad(scores, ((0, 0), (0, 1)), constant_values=-rubbish)
    return mse_loss(scores, labels) + jax.nn.logsumexp(rivals, axis=-1)


def mse_loss(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """Equation 8 for each example: the penalty y_D of the right class; [B]."""
    return -jnp.take_along_axis(scores, labels[:, None], axis=-1)[:, 0]


def cross_entropy(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """-log softmax(scores)_D for each example; [B]."""
    return mse_loss(scores, labels) + jax.nn.logsumexp(scores, axis=-1)

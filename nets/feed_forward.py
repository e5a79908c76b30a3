"""Feed-forward nets: layers of units, each of which reads the whole layer below.

    h_0 = x,  h_l = f(h_{l-1} W_l + b_l),  sums = h_{L-1} W_L + b_L

with f the rectified linear unit (the lecture's program), the logistic function (Mitchell 1997,
chapter 4) or the hyperbolic tangent. What is done to the sums at the top, softmax or again the
logistic function, is the loss's affair.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.nn import initializers

from .affine import init_linear, linear

UNITS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}
Layers = tuple[dict[str, jax.Array], ...]


@dataclasses.dataclass(frozen=True)
class FeedForward:
    """A net of `widths` (inputs, hidden units layer by layer, outputs) and hidden `unit`s.

    Attributes:
      widths: at least two numbers.
      unit: one of UNITS.
      init_name: `glorot`: weights uniform in +-sqrt(6 / (inputs + outputs)) (Glorot and Bengio
        2010); `zero-first`: those of the first layer 0, the others uniform in +-`init_scale`
        (Mitchell 1997, section 4.7); `uniform`: all of them. Biases are 0.
      init_scale: see there.
    """

    widths: tuple[int, ...]
    unit: str = "relu"
    init_name: str = "glorot"
    init_scale: float = 0.05

    def init(self, key: jax.Array) -> Layers:
        """The layers' parameters, from the bottom to the top."""
        pairs = list(zip(self.widths, self.widths[1:], strict=False))
        keys = jax.random.split(key, len(pairs))
        return tuple(
            init_linear(key, *pair, self._draw(number))
            for number, (key, pair) in enumerate(zip(keys, pairs, strict=True))
        )

    def _draw(self, layer: int) -> Callable[..., jax.Array]:
        if self.init_name == "glorot":
            return initializers.glorot_uniform()
        if self.init_name == "zero-first" and layer == 0:
            return initializers.zeros
        scale = self.init_scale
        return lambda key, shape: jax.random.uniform(key, shape, minval=-scale, maxval=scale)

    def hidden(self, params: Layers, xs: jax.Array) -> tuple[jax.Array, ...]:
        """The units of each hidden layer, [..., H], for inputs [..., D]."""
        found = []
        for layer in params[:-1]:
            xs = UNITS[self.unit](linear(layer, xs))
            found.append(xs)
        return tuple(found)

    def sums(self, params: Layers, xs: jax.Array) -> jax.Array:
        """The weighted sums of the output units, [..., C], for inputs [..., D]."""
        return linear(params[-1], (xs, *self.hidden(params, xs))[-1])

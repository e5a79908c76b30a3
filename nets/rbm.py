"""Restricted Boltzmann machines, trained by contrastive divergence (Hinton 2002).

    p(h_j = 1 | v) = sigmoid(b_j + sum_i v_i W_ij)       binary hidden units
    h_j | v ~ N(b_j + sum_i v_i W_ij, 1)                 or Gaussian ones, for a code
    p(v_i = 1 | h) = sigmoid(a_i + sum_j h_j W_ij)

With v' the probabilities of the visible units given a sample of h | v, CD-1 changes the weights by
<v h> - <v' h'>, where h and h' are means given v and v'. That is minus the gradient of

    F(v) - F(v'),    F(v) = -ln sum over h of exp(-E(v, h))  the free energy, v' held constant

which is how `contrast` puts it, so that a machine is trained like any other net. A stack of
machines, each trained on the means of the one below, is unrolled into an autoencoder (Hinton and
Salakhutdinov 2006).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .affine import affine

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class RBM:
    """`visible` units in [0, 1], and `hidden` ones, binary or `gaussian`."""

    visible: int
    hidden: int
    gaussian: bool = False

    def init(self, key: jax.Array) -> Params:
        """`weights` [visible, hidden] from N(0, 0.1^2), as in the authors' program; biases 0."""
        weights = 0.1 * jax.random.normal(key, (self.visible, self.hidden))
        return {
            "weights": weights,
            "visible_bias": jnp.zeros(self.visible),
            "hidden_bias": jnp.zeros(self.hidden),
        }

    def drive(self, params: Params, vs: jax.Array) -> jax.Array:
        """What visible units [..., V] add up to in the hidden ones: [..., H]."""
        return affine(vs, params["weights"], params["hidden_bias"])

    def hidden_mean(self, params: Params, vs: jax.Array) -> jax.Array:
        """The mean of the hidden units [..., H] given visible ones [..., V]."""
        drive = self.drive(params, vs)
        return drive if self.gaussian else jax.nn.sigmoid(drive)

    def sample_hidden(self, params: Params, vs: jax.Array, key: jax.Array) -> jax.Array:
        """A sample of the hidden units [..., H] given visible ones [..., V]."""
        mean = self.hidden_mean(params, vs)
        if self.gaussian:
            return mean + jax.random.normal(key, mean.shape)
        return jax.random.bernoulli(key, mean).astype(mean.dtype)

    def visible_mean(self, params: Params, hs: jax.Array) -> jax.Array:
        """The probabilities of visible units [..., V] given hidden ones [..., H]."""
        return jax.nn.sigmoid(affine(hs, params["weights"].T, params["visible_bias"]))

    def free_energy(self, params: Params, vs: jax.Array) -> jax.Array:
        """F of visible units [..., V]: [...], up to a constant for Gaussian hidden units."""
        drive = self.drive(params, vs)
        hidden = jnp.square(drive) / 2 if self.gaussian else jax.nn.softplus(drive)
        return -vs @ params["visible_bias"] - hidden.sum(-1)

    def reconstruction(self, params: Params, vs: jax.Array, key: jax.Array) -> jax.Array:
        """The probabilities [..., V] of the visible units given a sample of the hidden ones."""
        return self.visible_mean(params, self.sample_hidden(params, vs, key))

    def contrast(
        self, params: Params, vs: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """F(v) - F(v') for visible units [B, V], whose mean's gradient is minus CD-1's change.

        Returns:
          The contrasts [B], and the squared errors of the reconstructions v' [B].
        """
        reconstructed = jax.lax.stop_gradient(self.reconstruction(params, vs, key))
        contrast = self.free_energy(params, vs) - self.free_energy(params, reconstructed)
        return contrast, jnp.square(reconstructed - vs).sum(-1)


def unrolled(stack: Sequence[Params]) -> Params:
    """The parameters of `autoencoder.Autoencoder` from those of machines, the lowest first."""
    encoder = [{"weights": p["weights"], "bias": p["hidden_bias"]} for p in stack]
    decoder = [{"weights": p["weights"].T, "bias": p["visible_bias"]} for p in reversed(stack)]
    return {"encoder": tuple(encoder), "decoder": tuple(decoder)}

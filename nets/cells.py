"""Recurrent cells: pure functions of explicit parameters.

A cell is a frozen dataclass of sizes and switches with four pure methods:

    cell.init(key, inputs)              -> params    nested dict, gate by gate
    cell.project(params, xs)            -> drives    all that does not depend on the carry
    cell.step(params, carry, drive)     -> carry, y  the recurrence alone, in lax.scan's order
    cell.carry(batch)                   -> carry     the first one, zeros

A new cell is these four methods and nothing else; `unroll` runs and differentiates it. The
parameters are named after the subscripts of the equations: W_xi is `params["input"]["x"]`, W_hi
`["h"]`, b_i `["b"]` and the peephole W_ci `["c"]`. Vectors are rows, so the equations' W x is
`x @ W` here.

Inputs are real vectors [T, B, D], or integers [T, B] that stand for one-hot vectors of D = V
entries: their product with W_x is a look-up of rows, and `fold` puts an embedding under it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.nn import initializers, relu, sigmoid

from .affine import affine

Draw = Callable[..., jax.Array]  # an initializer: (key, shape) -> array
Params = dict[str, Any]  # nested, by name; the leaves are arrays


class Recurrence(Protocol):
    """What `unroll` needs of a cell; params, drives and carries are any pytrees of arrays."""

    def project(self, params: Any, xs: Any) -> Any:
        """Inputs [T, B, ...] to drives [T, B, ...]."""

    def step(self, params: Any, carry: Any, drive: Any) -> tuple[Any, Any]:
        """One step: the carry [B, ...] and a drive [B, ...] to the next carry and the output."""

    def carry(self, batch: int) -> Any:
        """The first carry of so many rows."""


class Cell(Recurrence, Protocol):
    """What a net needs of the cells that it is made of."""

    @property
    def hidden(self) -> int:
        """H, the width of the output."""

    def init(self, key: jax.Array, inputs: int) -> Any:
        """Parameters for inputs of so many entries."""


@dataclasses.dataclass(frozen=True)
class RNN:
    """Simple recurrent network (Elman 1990).

        h_t = phi(W_x x_t + W_h h_{t-1} + b)

    phi is `activation`: tanh, sigmoid, relu or any other elementwise function. The output y_t is
    h_t; Elman's output layer is left to the caller.
    """

    hidden: int
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh
    draw_x: Draw = initializers.lecun_normal()
    draw_h: Draw = initializers.orthogonal()

    def init(self, key: jax.Array, inputs: int) -> Params:
        return {"hidden": _gate(self, key, inputs)}

    def project(self, params: Params, xs: jax.Array) -> Params:
        return _drives(params, ("hidden",), xs)

    def step(self, params: Params, carry: jax.Array, drive: Params) -> tuple[jax.Array, jax.Array]:
        h = self.activation(drive["hidden"] + carry @ params["hidden"]["h"])  # [B, H]
        return h, h

    def carry(self, batch: int) -> jax.Array:
        return jnp.zeros((batch, self.hidden))


def identity_rnn(hidden: int, scale: float = 1.0) -> RNN:
    """IRNN (Le, Jaitly, Hinton 2015): relu, W_h = scale * I, b = 0, W_x drawn from N(0, 0.001).

    The paper states N(0, 0.001) for the other weights; it is read as a standard deviation.
    """

    def identity(key, shape, dtype=jnp.float32):
        return scale * jnp.eye(shape[0], shape[1], dtype=dtype)

    return RNN(hidden, relu, draw_x=initializers.normal(1e-3), draw_h=identity)


class Memory(NamedTuple):
    """The carry of an LSTM."""

    h: jax.Array  # [B, H], the output
    c: jax.Array  # [B, H], the cell


@dataclasses.dataclass(frozen=True)
class LSTM:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate, Gers et al. 2000).

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + W_ci c_{t-1} + b_i)
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + W_cf c_{t-1} + b_f)
        c_t = f_t c_{t-1} + i_t tanh(W_xc x_t + W_hc h_{t-1} + b_c)
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + W_co c_t + b_o)
        h_t = o_t tanh(c_t)

    With `peepholes` as in Graves, Mohamed and Hinton 2013: W_ci, W_cf and W_co are diagonal, and
    the output gate sees the new cell. Without them the three terms are absent. `forget_bias` is
    the initial b_f (Gers et al. leave it open; 1 after Jozefowicz et al. 2015); all other biases
    and the peepholes start at 0. The output y_t is h_t.
    """

    hidden: int
    peepholes: bool = False
    forget_bias: float = 1.0
    draw_x: Draw = initializers.lecun_normal()
    draw_h: Draw = initializers.orthogonal()

    gates = ("input", "forget", "output", "cell")
    peeping = ("input", "forget", "output")

    def init(self, key: jax.Array, inputs: int) -> Params:
        keys = dict(zip(self.gates, jax.random.split(key, 4), strict=True))
        params = {gate: _gate(self, keys[gate], inputs) for gate in self.gates}
        params["forget"]["b"] += self.forget_bias
        for gate in self.peeping if self.peepholes else ():
            params[gate]["c"] = jnp.zeros(self.hidden)
        return params

    def project(self, params: Params, xs: jax.Array) -> Params:
        return _drives(params, self.gates, xs)

    def step(self, params: Params, carry: Memory, drive: Params) -> tuple[Memory, jax.Array]:
        h, c = carry
        a = {gate: drive[gate] + h @ params[gate]["h"] for gate in self.gates}  # [B, H] each

        def peep(gate, c):
            return params[gate]["c"] * c if self.peepholes else 0.0

        i = sigmoid(a["input"] + peep("input", c))
        f = sigmoid(a["forget"] + peep("forget", c))
        c = f * c + i * jnp.tanh(a["cell"])
        o = sigmoid(a["output"] + peep("output", c))
        h = o * jnp.tanh(c)
        return Memory(h, c), h

    def carry(self, batch: int) -> Memory:
        return Memory(jnp.zeros((batch, self.hidden)), jnp.zeros((batch, self.hidden)))


@dataclasses.dataclass(frozen=True)
class GRU:
    """Gated recurrent unit (Cho et al. 2014), in its two published forms.

        r_t = sigmoid(W_xr x_t + W_hr h_{t-1} + b_r)
        z_t = sigmoid(W_xz x_t + W_hz h_{t-1} + b_z)
        g_t = tanh(W_xg x_t + W_hg (r_t h_{t-1}) + b_g)             reset_after=False, Cho et al.
        g_t = tanh(W_xg x_t + r_t (W_hg h_{t-1} + d_g) + b_g)       reset_after=True, cuDNN, PyTorch
        h_t = z_t h_{t-1} + (1 - z_t) g_t

    z is the share of the *old* state that is kept, as in Cho et al., cuDNN and PyTorch; in Chung
    et al. 2014 it is the share that is replaced. d_g, `params["candidate"]["d"]`, exists only in
    the second form. The paper has no biases; here they start at 0. The output y_t is h_t.
    """

    hidden: int
    reset_after: bool = False
    draw_x: Draw = initializers.lecun_normal()
    draw_h: Draw = initializers.orthogonal()

    gates = ("reset", "update", "candidate")

    def init(self, key: jax.Array, inputs: int) -> Params:
        keys = jax.random.split(key, 3)
        params = {
            gate: _gate(self, key, inputs) for gate, key in zip(self.gates, keys, strict=True)
        }
        if self.reset_after:
            params["candidate"]["d"] = jnp.zeros(self.hidden)
        return params

    def project(self, params: Params, xs: jax.Array) -> Params:
        return _drives(params, self.gates, xs)

    def step(self, params: Params, carry: jax.Array, drive: Params) -> tuple[jax.Array, jax.Array]:
        h, w = carry, {gate: params[gate]["h"] for gate in self.gates}
        r = sigmoid(drive["reset"] + h @ w["reset"])
        z = sigmoid(drive["update"] + h @ w["update"])
        if self.reset_after:
            recurrent = r * (h @ w["candidate"] + params["candidate"]["d"])
        else:
            recurrent = (r * h) @ w["candidate"]
        g = jnp.tanh(drive["candidate"] + recurrent)
        h = z * h + (1 - z) * g
        return h, h

    def carry(self, batch: int) -> jax.Array:
        return jnp.zeros((batch, self.hidden))


def hidden_state(carry: Any) -> jax.Array:
    """h [B, H] of a cell's carry: its field `h`, as in `Memory`, or all of it without one."""
    return getattr(carry, "h", carry)


def with_hidden_state(carry: Any, h: jax.Array) -> Any:
    """The carry with `h` for its hidden state; the `c` of a `Memory` stays as it is."""
    return carry._replace(h=h) if hasattr(carry, "h") else h


def fold(params: Params, embedding: jax.Array) -> Params:
    """Parameters that take integers [T, B] as the given ones take rows of `embedding` [V, D].

    W_x becomes E W_x: a product of V rows in place of one for each of T x B tokens, which is faster
    where V is well below T x B. Gradients reach both the embedding and W_x.
    """
    return {gate: {**weights, "x": embedding @ weights["x"]} for gate, weights in params.items()}


def pack(params: Params, gates: Sequence[str], name: str) -> jax.Array:
    """The gates' weights of one name side by side, [..., G H], so that one product serves all."""
    return jnp.concatenate([params[gate][name] for gate in gates], axis=-1)


def _gate(cell, key, inputs):
    key_x, key_h = jax.random.split(key)
    return {
        "x": cell.draw_x(key_x, (inputs, cell.hidden)),
        "h": cell.draw_h(key_h, (cell.hidden, cell.hidden)),
        "b": jnp.zeros(cell.hidden),
    }


def _drives(params, gates, xs):
    """W_x x + b of every gate, {gate: [T, B, H]}: one product over all time steps."""
    if jnp.issubdtype(xs.dtype, jnp.integer):
        return {gate: jnp.asarray(params[gate]["x"] + params[gate]["b"])[xs] for gate in gates}
    w, b = pack(params, gates, "x"), pack(params, gates, "b")  # [D, G H], [G H]
    drives = affine(xs, w, b)  # [T, B, G H]
    return dict(zip(gates, jnp.split(drives, len(gates), axis=-1), strict=True))

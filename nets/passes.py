"""The forward and backward passes of the cells of cells.py, which bptt.py scans.

`d` before a name means the gradient of the loss with respect to it. Gates that share a product
lie side by side, [B, G H]. A delta is the gradient with respect to the sum that goes into a gate,
which is also that of the gate's drive; the slopes are sigmoid' = s (1 - s) and tanh' = 1 - t^2.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import relu, sigmoid

from .affine import total
from .cells import GRU, LSTM, RNN, Memory, Recurrence, pack


class Passes(NamedTuple):
    """What bptt.py needs of a cell."""

    weights: Callable  # params -> weights of the recurrence, packed once for all steps
    forward: Callable  # (weights, before, drive) -> (after, y, kept); before, after are carries
    backward: Callable  # (transposed, before, kept, dafter, dy) -> (dbefore, delta)
    gradients: Callable  # (weights, befores, kept, deltas), all steps -> (dweights, ddrives)


def passes_of(cell: Recurrence) -> Passes | None:
    """The hand-written passes of a cell, or None if it has none."""
    if type(cell) is RNN:
        return _simple(cell.activation) if cell.activation in SLOPES else None
    if type(cell) is LSTM:
        return _LSTM
    if type(cell) is GRU:
        return _GRU_RESET_AFTER if cell.reset_after else _GRU_RESET_BEFORE
    return None


# Activation -> its slope as a function of its own value.
SLOPES = {
    jnp.tanh: lambda h: 1 - h * h,
    sigmoid: lambda h: h * (1 - h),
    relu: lambda h: (h > 0).astype(h.dtype),
}


def _simple(activation):
    def weights(params):
        return params["hidden"]["h"]

    def forward(w, before, drive):
        h = activation(drive["hidden"] + before @ w)  # [B, H]
        return h, h, h

    def backward(w_t, before, h, dafter, dy):
        delta = (dafter + dy) * SLOPES[activation](h)
        return delta @ w_t, delta

    def gradients(w, befores, hs, deltas):
        return _summed(befores, deltas), {"hidden": deltas}

    return Passes(weights, forward, backward, gradients)


class _Gates(NamedTuple):
    """What the LSTM keeps from a step, [B, H] each; t is tanh(c)."""

    i: jax.Array
    f: jax.Array
    o: jax.Array
    g: jax.Array
    t: jax.Array


def _lstm_weights(params):
    peepholes = {gate: params[gate]["c"] for gate in LSTM.peeping if "c" in params[gate]}
    return {"h": pack(params, LSTM.gates, "h"), "c": peepholes}


def _lstm_forward(w, before, drive):
    h, c = before
    a = _sums(drive, h @ w["h"], LSTM.gates)
    i = sigmoid(a["input"] + w["c"].get("input", 0) * c)
    f = sigmoid(a["forget"] + w["c"].get("forget", 0) * c)
    g = jnp.tanh(a["cell"])
    c = f * c + i * g
    o = sigmoid(a["output"] + w["c"].get("output", 0) * c)
    t = jnp.tanh(c)
    h = o * t
    return Memory(h, c), h, _Gates(i, f, o, g, t)


def _lstm_backward(w_t, before, kept, dafter, dy):
    i, f, o, g, t = kept
    peep = w_t["c"]
    dh = dafter.h + dy
    do = dh * t * o * (1 - o)
    dc = dafter.c + dh * o * (1 - t * t) + do * peep.get("output", 0)
    di = dc * g * i * (1 - i)
    df = dc * before.c * f * (1 - f)
    dg = dc * i * (1 - g * g)
    delta = jnp.concatenate([di, df, do, dg], axis=-1)  # [B, 4 H]
    dc = dc * f + di * peep.get("input", 0) + df * peep.get("forget", 0)
    return Memory(delta @ w_t["h"], dc), delta


def _lstm_gradients(w, befores, kept, deltas):
    ddrives = _apart(deltas, LSTM.gates)
    cs = kept.f * befores.c + kept.i * kept.g  # the new cell, which the output gate sees
    peeped = {"input": befores.c, "forget": befores.c, "output": cs}
    dpeepholes = {gate: total(ddrives[gate] * peeped[gate]) for gate in w["c"]}
    return {"h": _summed(befores.h, deltas), "c": dpeepholes}, ddrives


_LSTM = Passes(_lstm_weights, _lstm_forward, _lstm_backward, _lstm_gradients)


def _after_weights(params):
    return {"h": pack(params, GRU.gates, "h"), "d": params["candidate"]["d"]}


def _after_forward(w, h, drive):
    r, z, p = jnp.split(h @ w["h"], 3, axis=-1)  # [B, H] each
    r = sigmoid(drive["reset"] + r)
    z = sigmoid(drive["update"] + z)
    p = p + w["d"]
    g = jnp.tanh(drive["candidate"] + r * p)
    h = z * h + (1 - z) * g
    return h, h, (r, z, g, p)


def _after_backward(w_t, h, kept, dafter, dy):
    r, z, g, p = kept
    dh = dafter + dy
    dz = dh * (h - g) * z * (1 - z)
    dg = dh * (1 - z) * (1 - g * g)
    dr = dg * p * r * (1 - r)
    delta = jnp.concatenate([dr, dz, dg * r], axis=-1)  # [B, 3 H], of the product h W
    return dh * z + delta @ w_t["h"], (delta, dg)


def _after_gradients(w, befores, kept, deltas):
    delta, dg = deltas
    dr, dz, dp = jnp.split(delta, 3, axis=-1)
    dweights = {"h": _summed(befores, delta), "d": total(dp)}
    return dweights, {"reset": dr, "update": dz, "candidate": dg}


_GRU_RESET_AFTER = Passes(_after_weights, _after_forward, _after_backward, _after_gradients)


def _before_weights(params):
    return {"h": pack(params, ("reset", "update"), "h"), "g": params["candidate"]["h"]}


def _before_forward(w, h, drive):
    r, z = jnp.split(h @ w["h"], 2, axis=-1)  # [B, H] each
    r = sigmoid(drive["reset"] + r)
    z = sigmoid(drive["update"] + z)
    g = jnp.tanh(drive["candidate"] + (r * h) @ w["g"])
    return z * h + (1 - z) * g, z * h + (1 - z) * g, (r, z, g)


def _before_backward(w_t, h, kept, dafter, dy):
    r, z, g = kept
    dh = dafter + dy
    dz = dh * (h - g) * z * (1 - z)
    dg = dh * (1 - z) * (1 - g * g)
    dp = dg @ w_t["g"]  # of the product r h
    dr = dp * h * r * (1 - r)
    delta = jnp.concatenate([dr, dz], axis=-1)  # [B, 2 H]
    return dh * z + dp * r + delta @ w_t["h"], (delta, dg)


def _before_gradients(w, befores, kept, deltas):
    delta, dg = deltas
    r = kept[0]
    dr, dz = jnp.split(delta, 2, axis=-1)
    dweights = {"h": _summed(befores, delta), "g": _summed(r * befores, dg)}
    return dweights, {"reset": dr, "update": dz, "candidate": dg}


_GRU_RESET_BEFORE = Passes(_before_weights, _before_forward, _before_backward, _before_gradients)


def _sums(drive, products, gates):
    """The sum that goes into each gate: its drive plus its part of the products [B, G H]."""
    return {gate: drive[gate] + part for gate, part in _apart(products, gates).items()}


def _apart(side_by_side, gates):
    return dict(zip(gates, jnp.split(side_by_side, len(gates), axis=-1), strict=True))


def _summed(befores, deltas):
    """sum_t before_t^T delta_t: one product over the rows of all time steps, [H, G H]."""
    return befores.reshape(-1, befores.shape[-1]).T @ deltas.reshape(-1, deltas.shape[-1])

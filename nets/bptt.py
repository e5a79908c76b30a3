"""Back-propagation through time, written out by hand.

Unfolded in time, a recurrent net is a feed-forward net of T layers that share their weights W:

    forwards    a_t = drive_t + h_{t-1} W       gives the gates and h_t, which are kept
    backwards   delta_t = dL/da_t               from dL/dh_t, by the slopes of the gates; dL/dh_t
                                                is the gradient at y_t plus that from step t+1
                dL/dh_{t-1} = delta_t W^T       the gradient that goes on to step t-1
    weights     dL/dW = sum_t h_{t-1}^T delta_t, the sum of the gradients of the T copies

Automatic differentiation of the scan gives the same gradients, and the tests compare the two. It
adds a full dL/dW to the carry at every step of its backward scan; here the deltas are kept, and
the sum over t is one matrix product over all T x B rows. That, and W as one matrix for all gates,
is why this form is faster. It has reverse-mode derivatives only.

The equations of each cell's passes are in passes.py.
"""

import functools
from typing import Any

import jax
from jax import lax

from .cells import Recurrence
from .masks import blank, hold
from .passes import passes_of


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def scan_by_hand(
    cell: Recurrence, reverse: bool, weights: Any, drives: Any, carry: Any, mask: jax.Array | None
) -> tuple[Any, jax.Array]:
    """The recurrence: drives {gate: [T, B, H]} -> the last carry, and ys [T, B, H].

    `weights` are those of `passes_of(cell).weights(params)`; `mask` [T, B] may be None.
    """
    return _forwards(cell, reverse, weights, drives, carry, mask)[0]


def _forwards(cell, reverse, weights, drives, carry, mask):
    passes = passes_of(cell)
    assert passes is not None, cell

    def step(before, inputs):
        drive, keep = inputs
        after, y, kept = passes.forward(weights, before, drive)
        if keep is not None:
            after, y = hold(keep, after, before), blank(keep, y)
        return after, (y, before, kept)

    last, (ys, befores, kept) = lax.scan(step, carry, (drives, mask), reverse=reverse)
    return (last, ys), (weights, befores, kept, mask)


def _backwards(cell, reverse, stored, cotangents):
    passes = passes_of(cell)
    assert passes is not None, cell
    weights, befores, kept, mask = stored
    transposed = jax.tree.map(lambda w: w.T, weights)  # once, not at every step

    def step(dafter, inputs):
        dy, before, kept, keep = inputs
        if keep is None:
            return passes.backward(transposed, before, kept, dafter, dy)
        dbefore, delta = passes.backward(transposed, before, kept, dafter, blank(keep, dy))
        return hold(keep, dbefore, dafter), blank(keep, delta)

    dlast, dys = cotangents
    dfirst, deltas = lax.scan(step, dlast, (dys, befores, kept, mask), reverse=not reverse)
    dweights, ddrives = passes.gradients(weights, befores, kept, deltas)
    return dweights, ddrives, dfirst, None


scan_by_hand.defvjp(_forwards, _backwards)

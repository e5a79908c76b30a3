"""A recurrent network "as if unfolded in time": the scans over time, for every cell.

Everything is time-major: xs [T, B, ...], mask [T, B], ys [T, B, H].

Truncated back-propagation through time needs no function: the last carry of one window is the
first of the next, and `lax.stop_gradient(carry)` between the two cuts the gradient.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from .bptt import scan_by_hand
from .masks import blank, hold
from .passes import passes_of


def unroll(cell, params, xs, carry=None, *, mask=None, reverse=False, by_hand=True):
    """Runs a cell over a sequence.

    Args:
        cell: see `nets.cells`.
        params: the cell's parameters.
        xs: [T, B, D], or integers [T, B] for one-hot inputs.
        carry: the first carry; `cell.carry(B)` if not given.
        mask: booleans [T, B], true at real steps. Where it is false the carry is held, y is 0
            and x, whatever it is, has no influence.
        reverse: from the last step to the first; ys stay in the order of xs. With trailing
            padding each row begins at its own last real step.
        by_hand: go backwards by the hand-written pass of `nets.bptt` where the cell has one. It
            is the faster one; forward-mode derivatives (`jax.jvp`, `jax.hessian`) need False.

    Returns:
        The last carry (the first one for a row of length 0), and ys [T, B, H].
    """
    if mask is not None:
        xs = blank(mask, xs)
    if carry is None:
        carry = first_carry(cell, params, xs.shape[1])
    drives = cell.project(params, xs)
    passes = passes_of(cell) if by_hand else None
    if passes:
        return scan_by_hand(cell, reverse, passes.weights(params), drives, carry, mask)
    return _scan(cell, params, drives, carry, mask, reverse)


def _scan(cell, params, drives, carry, mask, reverse):
    """The recurrence of any cell: its own `step`, differentiated by JAX."""

    def step(carry, inputs):
        drive, keep = inputs
        new, y = cell.step(params, carry, drive)
        if keep is None:
            return new, y
        return hold(keep, new, carry), blank(keep, y)

    return lax.scan(step, carry, (drives, mask), reverse=reverse)


def unroll_checkpointed(cell, params, xs, carry=None, *, mask=None, reverse=False, chunk=None):
    """`unroll` that stores one carry for each chunk and computes the rest anew going back.

    Memory grows like T / chunk + chunk, with the default chunk like the square root of T. Where
    the layers around the cell are long too, put them inside: see `checkpointed`.
    """
    if carry is None:
        carry = first_carry(cell, params, xs.shape[1])

    def part(carry, inputs):
        xs, mask = inputs
        return unroll(cell, params, xs, carry, mask=mask, reverse=reverse)

    return checkpointed(part, carry, (xs, mask), chunk=chunk, reverse=reverse)


def checkpointed(body, carry, xs, *, chunk=None, reverse=False, keep=()):
    """Scans `body(carry, xs_of_a_chunk) -> (carry, ys_of_the_chunk)` over chunks of time.

    Only the carries between chunks are stored; a chunk's inside is computed again when the
    gradient comes back to it (Chen et al. 2016). `body` may hold the whole network, embedding,
    softmax and a loss summed in the carry included. `chunk` is its length in steps, about
    sqrt(T) if not given; the last chunk may be shorter. `keep` are the names of what is stored
    for all T nevertheless (`jax.ad_checkpoint.checkpoint_name`): narrow things, dear to compute.
    """
    steps = jax.tree.leaves(xs)[0].shape[0]
    chunk = chunk or max(1, round(math.sqrt(steps)))
    count = steps // chunk
    policy = jax.checkpoint_policies.save_only_these_names(*keep)
    body = jax.checkpoint(body, prevent_cse=False, policy=policy)

    def chunks(carry):
        split = jax.tree.map(lambda x: x[: count * chunk].reshape(count, chunk, *x.shape[1:]), xs)
        carry, ys = lax.scan(body, carry, split, reverse=reverse)
        return carry, jax.tree.map(lambda y: y.reshape(count * chunk, *y.shape[2:]), ys)

    def rest(carry):
        return body(carry, jax.tree.map(lambda x: x[count * chunk :], xs))

    if count * chunk == steps:
        return chunks(carry)
    if reverse:
        carry, late = rest(carry)
        carry, early = chunks(carry)
    else:
        carry, early = chunks(carry)
        carry, late = rest(carry)
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), early, late)


def both_directions(cells, params, xs, carry=None, *, mask=None):
    """A forward and a backward cell over the same inputs; ys [T, B, H + H'] side by side.

    `cells`, `params`, `carry` and the carry returned are pairs (forward, backward).
    """
    ahead, behind = carry or (None, None)
    ahead, ys = unroll(cells[0], params[0], xs, ahead, mask=mask)
    behind, zs = unroll(cells[1], params[1], xs, behind, mask=mask, reverse=True)
    return (ahead, behind), jnp.concatenate([ys, zs], axis=-1)


def unroll_layers(
    cells, params, xs, carry=None, *, mask=None, layer=unroll, between=lambda n, ys: ys
):
    """Layers one after the other, each over the whole sequence.

    `params`, `carry` and the carry returned have one entry a layer, like `cells`. `layer` is
    `unroll`, or `both_directions` with a pair in each entry. `between(n, ys)` stands between
    layers n and n + 1: dropout, as a rule. Returns the last carries and the top layer's ys.
    """
    last, ys = [], xs
    for n, (cell, first) in enumerate(zip(cells, carry or [None] * len(cells), strict=True)):
        xs = between(n - 1, ys) if n else xs
        new, ys = layer(cell, params[n], xs, first, mask=mask)
        last.append(new)
    return tuple(last), ys


def dropout(key, rate, *, same_each_step=False):
    """For `unroll_layers(between=...)`: zeroes a share of ys and scales the rest by 1/(1 - rate).

    A new draw for each layer, and for each time step too unless `same_each_step`.
    """

    def between(n, ys):
        shape = (1, *ys.shape[1:]) if same_each_step else ys.shape
        keep = jax.random.bernoulli(jax.random.fold_in(key, n), 1 - rate, shape)
        return jnp.where(keep, ys / (1 - rate), 0)

    return between


def first_carry(cell, params, batch):
    """`cell.carry(batch)` in the parameters' precision."""
    dtype = jnp.result_type(*jax.tree.leaves(params))
    return jax.tree.map(lambda c: c.astype(dtype), cell.carry(batch))

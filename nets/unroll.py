"""A recurrent network "as if unfolded in time": the scans over time, for every cell.

Everything is time-major: xs [T, B, ...], mask [T, B], ys [T, B, H].

Truncated back-propagation through time needs no function: the last carry of one window is the
first of the next, and `lax.stop_gradient(carry)` between the two cuts the gradient.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .bptt import scan_by_hand
from .cells import Recurrence
from .masks import blank, hold
from .passes import passes_of

Between = Callable[[int, jax.Array], jax.Array]  # (layer, its ys) -> what the next layer reads


def no_dropout(layer: int, ys: jax.Array) -> jax.Array:
    """For `unroll_layers(between=...)`: a layer reads the outputs of the one below as they are."""
    return ys


def unroll(
    cell: Recurrence,
    params: Any,
    xs: Any,
    carry: Any = None,
    *,
    mask: jax.Array | None = None,
    reverse: bool = False,
    by_hand: bool = True,
) -> tuple[Any, Any]:
    """Runs a cell over a sequence.

    Args:
        cell: see cells.py.
        params: the cell's parameters.
        xs: [T, B, D], or integers [T, B] for one-hot inputs.
        carry: the first carry; `cell.carry(B)` if not given.
        mask: booleans [T, B], true at real steps. Where it is false the carry is held, y is 0,
            and x has no influence, whatever its value.
        reverse: run from the last step to the first; ys stay in the order of xs. With trailing
            padding each row begins at its own last real step.
        by_hand: differentiate by the hand-written backward pass of bptt.py if the cell has one. It
            is faster; forward-mode derivatives (`jax.jvp`, `jax.hessian`) need False.

    Returns:
        The last carry (for a row of length 0 the first one), and ys [T, B, H].
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


def unroll_checkpointed(
    cell: Recurrence,
    params: Any,
    xs: Any,
    carry: Any = None,
    *,
    mask: jax.Array | None = None,
    reverse: bool = False,
    chunk: int | None = None,
) -> tuple[Any, Any]:
    """`unroll` that stores one carry per chunk and computes the rest again on the way back.

    The stored steps number T / chunk + chunk, with the default chunk about 2 sqrt(T). If the layers
    around the cell need much memory too, put them inside the chunks: see `checkpointed`.
    """
    if carry is None:
        carry = first_carry(cell, params, xs.shape[1])

    def part(carry, inputs):
        xs, mask = inputs
        return unroll(cell, params, xs, carry, mask=mask, reverse=reverse)

    return checkpointed(part, carry, (xs, mask), chunk=chunk, reverse=reverse)


def checkpointed(
    body: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any,
    *,
    chunk: int | None = None,
    reverse: bool = False,
    keep: Sequence[str] = (),
) -> tuple[Any, Any]:
    """Scans `body(carry, xs_of_a_chunk) -> (carry, ys_of_the_chunk)` over chunks of time.

    Only the carries between chunks are stored; what is inside a chunk is computed again when the
    gradient comes back to it (Chen et al. 2016). `body` may be the whole network, including the
    embedding, the softmax, and a loss summed in the carry. `chunk` is its length in steps, about
    sqrt(T) if not given; the last chunk may be shorter. `keep` names values that are stored for
    all T nevertheless (`jax.ad_checkpoint.checkpoint_name`): small ones that are costly to compute.
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


def both_directions(
    cells: tuple[Recurrence, Recurrence],
    params: tuple[Any, Any],
    xs: Any,
    carry: tuple[Any, Any] | None = None,
    *,
    mask: jax.Array | None = None,
) -> tuple[tuple[Any, Any], jax.Array]:
    """A forward and a backward cell over the same inputs; ys [T, B, H + H'] side by side.

    `cells`, `params`, `carry` and the carry returned are pairs (forward, backward).
    """
    ahead, behind = carry or (None, None)
    ahead, ys = unroll(cells[0], params[0], xs, ahead, mask=mask)
    behind, zs = unroll(cells[1], params[1], xs, behind, mask=mask, reverse=True)
    return (ahead, behind), jnp.concatenate([ys, zs], axis=-1)


def unroll_layers(
    cells: Sequence[Any],
    params: Sequence[Any],
    xs: Any,
    carry: Sequence[Any] | None = None,
    *,
    mask: jax.Array | None = None,
    layer: Callable[..., tuple[Any, Any]] = unroll,
    between: Between = no_dropout,
) -> tuple[tuple, jax.Array]:
    """Layers one after the other, each over the whole sequence.

    `params`, `carry` and the carry returned have one entry per layer, like `cells`. `layer` is
    `unroll`, `unroll_checkpointed`, or `both_directions` with a pair in each entry. Layer n + 1
    reads `between(n, ys)` of the outputs of layer n, usually `dropout`. Returns the last carries
    and the top layer's ys.
    """
    last, ys = [], xs
    for n, (cell, first) in enumerate(zip(cells, carry or [None] * len(cells), strict=True)):
        xs = between(n - 1, ys) if n else xs
        new, ys = layer(cell, params[n], xs, first, mask=mask)
        last.append(new)
    return tuple(last), ys


def dropout(key: jax.Array, rate: float, *, same_each_step: bool = False) -> Between:
    """For `unroll_layers(between=...)`: zeroes a share of ys and scales the rest by 1/(1 - rate).

    The mask is drawn for each layer, and for each time step too unless `same_each_step`.
    """

    def between(n, ys):
        shape = (1, *ys.shape[1:]) if same_each_step else ys.shape
        keep = jax.random.bernoulli(jax.random.fold_in(key, n), 1 - rate, shape)
        return jnp.where(keep, ys / (1 - rate), 0)

    return between


def first_carry(cell: Recurrence, params: Any, batch: int) -> Any:
    """`cell.carry(batch)` in the parameters' precision."""
    dtype = jnp.result_type(*jax.tree.leaves(params))
    return jax.tree.map(lambda c: c.astype(dtype), cell.carry(batch))

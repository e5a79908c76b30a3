"""The training loop: one pure step, many of them in one call to the device.

A net meets the loop through its loss alone:

    loss(params, variables, carry, batch, key) -> (scalar, (variables, carry, metrics))

`variables` are what a net changes without a gradient (running averages of batch normalisation),
`carry` is a recurrent net's state between batches; both are {} where a net has none. `metrics`
maps a name to a total and a count, divided once at the end: no batch weighs more than its
examples, and padding weighs nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.runtime.failures import Diverged
from experiments.runtime.mesh import one_call_at_a_time
from experiments.training.norm import norm
from experiments.training.precision import in_precision

Tree = Any
Loss = Callable[[Tree, Tree, Tree, Tree, jax.Array], tuple[jax.Array, tuple[Tree, Tree, Tree]]]


class Ratio(NamedTuple):
    """A sum over examples and how many there were."""

    total: jax.Array
    count: jax.Array


@flax.struct.dataclass
class TrainState:
    """All that changes from step to step, and so all that a checkpoint holds."""

    step: jax.Array  # int32 []
    params: Tree
    opt_state: Tree
    carry: Tree
    variables: Tree


def parameter_count(params: Tree) -> int:
    """How many trainable numbers a tree holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


Step = Callable[[TrainState, Tree], tuple[TrainState, dict[str, Ratio]]]


def init_state(params: Tree, optimizer, *, carry: Tree = None, variables: Tree = None):
    """The state before the first step."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=optimizer.init(params),
        carry={} if carry is None else carry,
        variables={} if variables is None else variables,
    )


def gradient_of(loss: Loss, chunk_size: int | None) -> Callable:
    """`loss` with its gradient: (params, variables, carry, batch, key) -> (result, gradient).

    A batch of several times `chunk_size` is gone through chunk by chunk, which keeps a chunk's
    activations in the processor's cache. The result is the same up to rounding, and up to what a
    net draws or normalises over its batch.
    """
    whole = jax.value_and_grad(loss, has_aux=True)

    def gradient(params, variables, carry, batch, key):
        size = len(jax.tree.leaves(batch)[0])
        if not chunk_size or size <= chunk_size or size % chunk_size or jax.tree.leaves(carry):
            return whole(params, variables, carry, batch, key)
        parts = size // chunk_size
        chunks = jax.tree.map(lambda xs: xs.reshape(parts, chunk_size, *xs.shape[1:]), batch)

        def add(carried, chunk_and_key):
            variables, sums = carried
            part, grads = whole(params, variables, carry, *chunk_and_key)
            value, (variables, _, metrics) = part
            return (variables, jax.tree.map(jnp.add, sums, (value, metrics, grads))), None

        (_, (_, _, metrics)), grads = jax.eval_shape(whole, params, variables, carry, batch, key)
        shapes = (jnp.zeros(()), metrics, grads)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        keys = jax.random.split(key, parts)
        (variables, sums), _ = jax.lax.scan(add, (variables, zeros), (chunks, keys))
        value, metrics, grads = sums
        value, grads = jax.tree.map(lambda x: x / parts, (value, grads))
        return (value, (variables, carry, metrics)), grads

    return gradient


def make_step(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    chunk_size: int | None = None,
    dtype: str = "float32",
) -> Step:
    """One update by the gradient of `loss`; randomness is `fold_in(key, step)`.

    `dtype` is that of the products on the way to the loss and back
    (`experiments.training.precision`).
    """
    gradient = in_precision(dtype, gradient_of(loss, chunk_size))

    def step(state: TrainState, batch: Tree) -> tuple[TrainState, dict[str, Ratio]]:
        (value, (variables, carry, metrics)), grads = gradient(
            state.params, state.variables, state.carry, batch, jax.random.fold_in(key, state.step)
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        one = jnp.ones(())
        metrics |= {
            "objective": Ratio(value, one),
            "gradient_norm": Ratio(norm(grads), one),
            "parameter_norm": Ratio(norm(params), one),
        }
        return TrainState(state.step + 1, params, opt_state, carry, variables), metrics

    return step


def many(
    step: Step, shardings: Tree = None
) -> Callable[[TrainState, Tree, jax.Array], tuple[TrainState, Tree]]:
    """`step` over the first `count` batches of a block, in one call; the state is donated.

    The block keeps its length and `count` is a traced number, so that one program serves every
    call with batches of one shape: a run cut into other blocks, or resumed, goes through the same
    instructions.

    Args:
      step: from `make_step`.
      shardings: where the state and the figures lie afterwards; None leaves that to XLA.
    """

    step = jax.jit(step, inline=True)  # traced once, for the figures' shapes and for the loop

    def run(state, block, count):
        def body(i, carried):
            state, history = carried
            state, metrics = step(state, jax.tree.map(lambda xs: xs[i], block))
            return state, jax.tree.map(lambda xs, x: xs.at[i].set(x), history, metrics)

        length = len(jax.tree.leaves(block)[0])
        _, shapes = jax.eval_shape(step, state, jax.tree.map(lambda xs: xs[0], block))
        history = jax.tree.map(lambda x: jnp.zeros((length, *x.shape), x.dtype), shapes)
        return jax.lax.fori_loop(0, count, body, (state, history))

    return jax.jit(run, donate_argnums=0, out_shardings=shardings)


def many_in_place(step: Step, state: TrainState) -> Callable:
    """`many` for a state that stays on the devices where it lies; the figures go to all of them."""
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state), state.step.sharding
    run = many(step, shardings)
    if not one_call_at_a_time(state.step.sharding.device_set):
        return run
    return lambda *arguments: jax.block_until_ready(run(*arguments))


class Totals(dict):
    """Name -> [total, count], added up on the host in double precision."""

    def add(self, metrics: Mapping[str, Ratio], count: int | None = None) -> None:
        """Adds Ratios: of one batch, or stacked over the first `count` steps of a call."""
        for name, ratio in metrics.items():
            entry = self.setdefault(name, [0.0, 0.0])
            entry[0] += float(np.ravel(ratio.total)[:count].sum(dtype=np.float64))
            entry[1] += float(np.ravel(ratio.count)[:count].sum(dtype=np.float64))

    def means(self) -> dict[str, float]:
        """Each total over its count."""
        return {name: total / count for name, (total, count) in self.items() if count}


def stop_if_diverged(metrics: Mapping[str, Ratio], first: int, count: int, limit: float) -> None:
    """Raises Diverged, with the number of the step, if a step's loss is not finite or the
    parameters have grown beyond `limit`."""
    loss = np.asarray(metrics["objective"].total)[:count]
    norm = np.asarray(metrics["parameter_norm"].total)[:count]
    bad = ~np.isfinite(loss) | ~(norm <= limit)
    if bad.any():
        i = int(bad.argmax())
        raise Diverged(
            f"the run diverged at step {first + i + 1}: loss {loss[i]:.4g}, "
            f"norm of the parameters {norm[i]:.4g}"
        )


def fit(
    state: TrainState,
    step: Step,
    batches: Callable[[int, int], Tree],
    *,
    num_steps: int,
    steps_per_call: int,
    next_pause: Callable[[int], int],
    totals: Totals,
    limit: float,
    on_call: Callable[[int], bool],
    on_pause: Callable[[TrainState, int], TrainState | None],
    same_shape: Callable[[int, int], int] = lambda first, count: count,
) -> TrainState:
    """Trains until step `num_steps`.

    Args:
      state: where to begin; its buffers are given up.
      step: from `make_step`.
      batches: `batches(first, count)` gives a block [steps_per_call, B, ...] on the device,
        whose first `count` entries are the batches of the steps from `first`.
      num_steps: the last step's number.
      steps_per_call: the most steps that one call to the device makes.
      next_pause: the number of the first step, after a given one, that has to be paused at.
      totals: takes up the metrics of every step.
      limit: the largest norm that the parameters may reach.
      on_call: called with the number of steps made, after each call is sent off; True asks for a
        pause.
      on_pause: called with the state at each pause and at the end, all metrics read; gives the
        state to go on from, or None to end here.
      same_shape: how many of the steps from `first` on, `count` at most, have one shape of batch: a
        call makes no others (`data.buckets`).

    Raises:
      Diverged: the loss is not finite, or the parameters exceed `limit`.
    """
    run, sent, now = many_in_place(step, state), None, int(state.step)

    def read(call):
        metrics, first, count = call
        metrics = jax.device_get(metrics)
        stop_if_diverged(metrics, first, count, limit)
        totals.add(metrics, count)

    while now < num_steps:
        count = same_shape(now, min(steps_per_call, num_steps - now, next_pause(now) - now))
        state, metrics = run(state, batches(now, count), count)
        if sent is not None:  # the device works on this call while the last one's figures are read
            read(sent)
        sent, now = (metrics, now, count), now + count
        if on_call(now) or now in (num_steps, next_pause(now - 1)):
            read(sent)
            sent = None
            next_state = on_pause(state, now)
            if next_state is None:
                break
            state = next_state
    return state


# Goes through the batches of an evaluation: (batches, of what, how many) -> the same batches.
Watch = Callable[[Iterable[Tree], str, int], Iterable[Tree]]


def unwatched(batches: Iterable[Tree], what: str, count: int) -> Iterable[Tree]:
    """A `Watch` that shows nothing and does not stop."""
    return batches


def evaluate(measure: Callable[[Tree], dict[str, Ratio]], batches: Iterable[Tree]) -> Totals:
    """Adds up the metrics that `measure` gives for every batch."""
    totals = Totals()
    for batch in batches:
        totals.add(jax.device_get(measure(batch)))
    return totals

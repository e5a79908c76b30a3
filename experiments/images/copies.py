"""Many copies of one small net, trained side by side: one for each seed, in one or two groups.

The copies' parameters are stacked on a leading axis, and their losses are added up: the gradient of
each is its own. An update rule that treats every parameter by itself then trains each copy as if it
were alone, and a seed's copy is the same whatever other seeds there are.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.batches import batch_indices
from data.tables import TRAIN, Table
from experiments.runtime.mesh import block_of_batches, mesh_for, on_host, own_rows, placed
from experiments.runtime.xla import call_once
from experiments.training.kept import NET
from experiments.training.loop import Ratio, Tree, init_state, make_step, many_in_place
from nets.feed_forward import FeedForward

LOW, HIGH = 0.1, 0.9  # the targets of logistic output units (Mitchell 1997)


class Group(NamedTuple):
    """Copies that are trained alike, one for each seed."""

    prefix: str  # of its figures
    summed: bool  # whether the loss is summed over a batch, or averaged
    parts: np.ndarray  # int8 [seeds, N]: what each row is to each copy; see `data.tables`


class Rows(NamedTuple):
    """A batch: rows for each copy, or with G = 1 the same for both groups."""

    inputs: Any  # float32 [B, G, S, D]
    labels: Any  # int32 [B, G, S]


@dataclasses.dataclass(frozen=True)
class Copies:
    """The copies of a run: those of the first group, seed by seed, then those of the second."""

    config: Any
    net: FeedForward
    table: Table
    groups: Sequence[Group]

    @property
    def count(self) -> int:
        return self.config.seeds * len(self.groups)

    def first(self) -> "Copies":
        """The first copy alone."""
        config = dataclasses.replace(self.config, seeds=1)
        group = self.groups[0]
        return dataclasses.replace(
            self, config=config, groups=[group._replace(parts=group.parts[:1])]
        )

    @property
    def names(self) -> list[str]:
        """The copies' names, such as `net-17`: group by group, with the seed."""
        seeds = range(self.config.seed, self.config.seed + self.config.seeds)
        groups = [group.prefix.rstrip("_") or NET for group in self.groups]
        return [f"{group}-{seed}" for group in groups for seed in seeds]

    @property
    def different_parts(self) -> Sequence[Group]:
        """The groups whose copies see different rows."""
        first = self.groups[0]
        return [first, *(g for g in self.groups[1:] if g.parts is not first.parts)]

    def init(self) -> Tree:
        """The first parameters, stacked; a seed's are the same in every group."""

        def stacked(seeds):
            params = jax.vmap(lambda seed: self.net.init(split_key(seed)[0]))(seeds)
            return jax.tree.map(lambda xs: jnp.concatenate([xs] * len(self.groups)), params)

        return call_once(stacked, self.config.seed + jnp.arange(self.config.seeds))

    def batches(self, mesh):
        """Batches of Rows; every copy goes through its own training rows in its own order."""
        config, own = self.config, own_rows(self.config.batch_size)
        training = [
            [np.flatnonzero(parts == TRAIN) for parts in group.parts]
            for group in self.different_parts
        ]

        def drawn(rows: np.ndarray, seed: int, first: int, count: int) -> np.ndarray:
            return rows[batch_indices(seed, first, count, config.batch_size, len(rows))][:, own]

        def batches(first: int, count: int) -> Rows:
            rows = np.stack([
                np.stack([drawn(each, config.seed + n, first, count)
                          for n, each in enumerate(copies)], -1)
                for copies in training
            ], 2)  # fmt: skip
            block = Rows(self.table.inputs[rows], self.table.labels[rows])
            return block_of_batches(mesh, block, config.steps_per_call)

        return batches

    def loss(self, params, variables, carry, batch: Rows, key):
        """The sum of the copies' losses, in the form that `experiments.training.loop` expects."""
        inputs, labels = (self.for_each(xs) for xs in batch)  # [B, copies, D], [B, copies]
        inputs = standardised(variables, inputs)
        sums = jax.vmap(self.net.sums, in_axes=(0, 1), out_axes=1)(params, inputs)
        losses = example_losses(self.config.loss, sums, labels)  # [B, copies]
        right = sums.argmax(-1) == labels
        size, seeds = len(losses), self.config.seeds
        metrics, total = {}, 0.0
        for n, group in enumerate(self.groups):
            own = losses[:, n * seeds : (n + 1) * seeds]
            hits = right[:, n * seeds : (n + 1) * seeds].sum(dtype=jnp.float32)
            total += own.sum() if group.summed else own.sum() / size
            examples = jnp.float32(size * seeds)
            metrics[group.prefix + "loss"] = Ratio(own.sum(), examples)
            metrics[group.prefix + "accuracy"] = Ratio(hits, examples)
        return total, (variables, carry, metrics)

    def for_each(self, xs: jax.Array) -> jax.Array:
        """[B, G, S, ...] as [B, copies, ...]."""
        size, _, seeds, *rest = xs.shape
        wide = jnp.broadcast_to(xs, (size, len(self.groups), seeds, *rest))
        return wide.reshape(size, self.count, *rest)


def split_key(seed) -> jax.Array:
    """Two keys of a seed: of the first parameters, and of the steps."""
    return jax.random.split(jax.random.key(seed))


def standardised(variables: Mapping[str, jax.Array], inputs: jax.Array) -> jax.Array:
    """Inputs [..., D] as the net reads them: with mean 0 and variance 1, if it is so trained."""
    return (inputs - variables["mean"]) / variables["deviation"] if variables else inputs


def example_losses(loss: str, sums: jax.Array, labels: jax.Array) -> jax.Array:
    """The losses [...] of the output units' sums [..., C] and the labels [...].

    `cross_entropy` is that of a softmax; `squared` is half the summed squared error of logistic
    units, whose targets are LOW and HIGH.
    """
    if loss == "cross_entropy":
        return optax.softmax_cross_entropy_with_integer_labels(sums, labels)
    targets = LOW + (HIGH - LOW) * jax.nn.one_hot(labels, sums.shape[-1])
    return jnp.square(jax.nn.sigmoid(sums) - targets).sum(-1) / 2


def replayed(
    copies: Copies, optimizer: optax.GradientTransformation, variables: Tree, steps: Iterable[int]
) -> Iterator[Tree]:
    """The first copy's parameters after each of some numbers of steps, which are made again."""
    one, mesh = copies.first(), mesh_for(copies.config.batch_size)
    state = placed(mesh, init_state(one.init(), optimizer, variables=variables))
    step = make_step(one.loss, optimizer, split_key(one.config.seed)[1], dtype=one.config.dtype)
    run, batches, now = many_in_place(step, state), one.batches(mesh), 0
    for stop in steps:
        while now < stop:
            count = min(one.config.steps_per_call, stop - now)
            state, _ = run(state, batches(now, count), count)
            now += count
        yield jax.tree.map(lambda xs: xs[0], on_host(state.params))

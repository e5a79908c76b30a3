"""Batches as a pure function of seed and step, in blocks on the device."""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh

from data.batches import batch_indices
from experiments.runtime.mesh import block_of_batches, own_rows
from experiments.runtime.options import Shared
from experiments.training.loop import Tree

Batches = Callable[[int, int], Tree]  # (first, count) -> a block [steps_per_call, B, ...]


def drawn_batches(
    config: Shared,
    examples: Tree,
    mesh: Mesh,
    change: Callable[[Tree, np.ndarray], Tree] = lambda rows, positions: rows,
) -> Batches:
    """Batches of `batch_size` examples, reshuffled for each pass.

    Args:
      config: the run's options.
      examples: arrays [N, ...].
      mesh: from `mesh_for`.
      change: (examples [n, B', ...], their positions [n, B'] in the order of training) -> what the
        step is given, such as distorted examples.
    """
    size, batch = len(jax.tree.leaves(examples)[0]), config.batch_size
    own = own_rows(batch)

    def batches(first: int, count: int) -> Tree:
        rows = batch_indices(config.seed, first, count, batch, size)[:, own]
        positions = first * batch + np.arange(count * batch).reshape(count, batch)[:, own]
        block = change(jax.tree.map(lambda xs: xs[rows], examples), positions)
        return block_of_batches(mesh, block, config.steps_per_call)

    return batches


def generated_batches(
    config: Shared, generate: Callable[[np.random.Generator], Tree], mesh: Mesh
) -> Batches:
    """Batches of arrays [B, ...] that `generate` makes, with a random generator for each step."""
    own = own_rows(config.batch_size)

    def batches(first: int, count: int) -> Tree:
        steps = range(first, first + count)
        made = [generate(np.random.default_rng([config.seed, n])) for n in steps]
        block = jax.tree.map(lambda *xs: np.stack(xs)[:, own], *made)
        return block_of_batches(mesh, block, config.steps_per_call)

    return batches

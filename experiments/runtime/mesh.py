"""Which devices share a batch, and what lies where: rows shared out, parameters everywhere.

One device is a mesh of one. Several processes hold one mesh together: each of them runs the same
program, reads its own rows of every batch, and has its own copy of the parameters.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from data.batches import padded_batches
from data.errors import UserError

Tree = Any


def mesh_for(batch_size: int) -> Mesh:
    """The devices that share a batch: of each process as many as divide its rows, at least one.

    Raises:
      UserError: the processes cannot have equally many rows.
    """
    processes = jax.process_count()
    if batch_size % processes:
        raise UserError(
            f"--batch_size={batch_size}: {processes} processes cannot share it equally; give a "
            f"multiple of {processes}."
        )
    each = [jax.local_devices(process_index=i) for i in range(processes)]
    rows = batch_size // processes
    share = max(n for n in range(1, min(map(len, each)) + 1) if rows % n == 0)
    devices = [device for devices in each for device in devices[:share]]
    return Mesh(np.array(devices), ("batch",), axis_types=(AxisType.Auto,))


def one_call_at_a_time(devices: set) -> bool:
    """Whether a call to these devices has to be waited for before the next is sent off.

    CPU devices that sum up with one another can lock each other out otherwise.
    """
    return len(devices) > 1 and all(device.platform == "cpu" for device in devices)


def own_rows(batch_size: int) -> slice:
    """The rows of a batch that this process reads: all of them where it is the only one."""
    rows = batch_size // jax.process_count()
    first = rows * jax.process_index()
    return slice(first, first + rows)


def replicated(mesh: Mesh, tree: Tree) -> Tree:
    """A copy of `tree` on every device of the mesh."""
    return _spread(tree, lambda _: NamedSharding(mesh, PartitionSpec()))


def placed(mesh: Mesh, state: Tree) -> Tree:
    """A train state on the mesh: the carry's arrays [B, ...] with their rows, the rest whole."""
    shared, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("batch",), ()))
    carry = _spread(state.carry, lambda leaf: shared if np.ndim(leaf) else whole)
    return replicated(mesh, state.replace(carry={})).replace(carry=carry)


def placed_like(template: Tree, tree: Tree) -> Tree:
    """Arrays of the host, placed as those of `template` are."""
    return jax.tree.map(lambda leaf, t: _put(leaf, t.sharding), tree, template)


def _spread(tree: Tree, sharding: Callable[[Any], NamedSharding]) -> Tree:
    return jax.tree.map(lambda leaf: _put(leaf, sharding(leaf)), tree)


def _put(leaf, sharding):
    """Of one process this is `device_put`, which for several compares what each would put."""
    if jax.process_count() == 1:
        return jax.device_put(leaf, sharding)
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


def block_of_batches(mesh: Mesh, tree: Tree, length: int) -> Tree:
    """A block of batches on the mesh, the second axis shared out.

    Args:
      mesh: from `mesh_for`.
      tree: arrays [n, B', ...] whose B' rows are `own_rows` of B.
      length: what n is filled up to, with zeros, so that every block has one shape.

    Returns:
      Arrays [length, B, ...].
    """

    def filled(xs):
        return np.pad(xs, [(0, length - len(xs))] + [(0, 0)] * (np.ndim(xs) - 1))

    sharding = NamedSharding(mesh, PartitionSpec(None, "batch"))
    return jax.make_array_from_process_local_data(sharding, jax.tree.map(filled, tree))


def evaluation_batches(mesh: Mesh, arrays: tuple, batch_size: int) -> list[Tree]:
    """`data.batches.padded_batches` on the mesh: (arrays, mask) with the rows shared out.

    The batch size is raised to a multiple of the devices, and every process has as many batches.
    """
    size = -(-batch_size // mesh.size) * mesh.size
    mine, sharding = own_rows(size), NamedSharding(mesh, PartitionSpec("batch"))
    return [
        jax.make_array_from_process_local_data(sharding, jax.tree.map(lambda x: x[mine], cut))
        for cut in padded_batches(arrays, size)
    ]


def local_copy(tree: Tree) -> Tree:
    """The copy on this process's first device of what lies everywhere.

    For what is computed by each process alone: a text that is read from end to end, a sample.
    """
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def on_host(tree: Tree) -> Tree:
    """NumPy arrays of the whole of `tree`, in every process; all processes have to call it."""

    def whole(leaf):
        if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
            return leaf
        if leaf.is_fully_replicated:
            return leaf.addressable_data(0)
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.device_get(jax.tree.map(whole, tree))

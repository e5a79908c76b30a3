"""The device mesh: batches are sharded by rows, parameters are replicated.

A single device is a mesh of one. Several processes form one mesh: each runs the same program,
reads its own rows of every batch and holds its own copy of the parameters.
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
    """The devices that share a batch: as many of each process as divide its rows evenly.

    Raises:
      UserError: the batch cannot be divided evenly among the processes.
    """
    processes = jax.process_count()
    if batch_size % processes:
        raise UserError(
            f"--batch_size={batch_size}: {processes} processes cannot share it evenly; give a "
            f"multiple of {processes}."
        )
    each = [jax.local_devices(process_index=i) for i in range(processes)]
    rows = batch_size // processes
    share = max(n for n in range(1, min(map(len, each)) + 1) if rows % n == 0)
    devices = [device for devices in each for device in devices[:share]]
    return Mesh(np.array(devices), ("batch",), axis_types=(AxisType.Auto,))


def one_call_at_a_time(devices: set) -> bool:
    """Whether each call to these devices must finish before the next is dispatched.

    Otherwise the all-reduces of several CPU devices can deadlock.
    """
    return len(devices) > 1 and all(device.platform == "cpu" for device in devices)


def own_rows(batch_size: int) -> slice:
    """The rows of a batch that this process reads: all of them if it is the only process."""
    rows = batch_size // jax.process_count()
    first = rows * jax.process_index()
    return slice(first, first + rows)


def replicated(mesh: Mesh, tree: Tree) -> Tree:
    """`tree` replicated on every device of the mesh."""
    return _put_tree(tree, lambda _: NamedSharding(mesh, PartitionSpec()))


def placed(mesh: Mesh, state: Tree) -> Tree:
    """A train state on the mesh: the carry's arrays [B, ...] are sharded, the rest replicated."""
    rows, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("batch",), ()))
    carry = _put_tree(state.carry, lambda leaf: rows if np.ndim(leaf) else whole)
    return replicated(mesh, state.replace(carry={})).replace(carry=carry)


def placed_like(template: Tree, tree: Tree) -> Tree:
    """Host arrays, placed with the shardings of `template`."""
    return jax.tree.map(lambda leaf, t: _put(leaf, t.sharding), tree, template)


def _put_tree(tree: Tree, sharding: Callable[[Any], NamedSharding]) -> Tree:
    return jax.tree.map(lambda leaf: _put(leaf, sharding(leaf)), tree)


def _put(leaf, sharding):
    """`device_put`; with several processes, without its check that all pass the same value."""
    if jax.process_count() == 1:
        return jax.device_put(leaf, sharding)
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


def block_of_batches(mesh: Mesh, tree: Tree, length: int) -> Tree:
    """A block of batches on the mesh, sharded along its second axis.

    Args:
      mesh: from `mesh_for`.
      tree: arrays [n, B', ...] whose B' rows are `own_rows` of B.
      length: n is padded to it with zeros, so that every block has the same shape.

    Returns:
      Arrays [length, B, ...].
    """

    def padded(xs):
        return np.pad(xs, [(0, length - len(xs))] + [(0, 0)] * (np.ndim(xs) - 1))

    sharding = NamedSharding(mesh, PartitionSpec(None, "batch"))
    return jax.make_array_from_process_local_data(sharding, jax.tree.map(padded, tree))


def evaluation_batches(mesh: Mesh, arrays: tuple, batch_size: int) -> list[Tree]:
    """`data.batches.padded_batches` on the mesh: (arrays, mask), sharded by rows.

    The batch size is rounded up to a multiple of the number of devices; every process gets the
    same number of batches.
    """
    size = -(-batch_size // mesh.size) * mesh.size
    mine, sharding = own_rows(size), NamedSharding(mesh, PartitionSpec("batch"))
    return [
        jax.make_array_from_process_local_data(sharding, jax.tree.map(lambda x: x[mine], cut))
        for cut in padded_batches(arrays, size)
    ]


def local_copy(tree: Tree) -> Tree:
    """This process's own copy, on its first device, of a replicated tree.

    For what each process computes alone, such as a sample or the loss on a whole text.
    """
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def on_first_device(tree: Tree) -> Tree:
    """Host arrays on this process's first device, as `local_copy` gives those of a device."""
    return jax.device_put(tree, jax.local_devices()[0])


def on_host(tree: Tree) -> Tree:
    """All of `tree` as NumPy arrays, in every process; every process must call it."""

    def whole(leaf):
        if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
            return leaf
        if leaf.is_fully_replicated:
            return leaf.addressable_data(0)
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.device_get(jax.tree.map(whole, tree))

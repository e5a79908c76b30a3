"""One run in several processes: how they connect, agree, and end together.

All processes run the same program on one mesh (`experiments.runtime.mesh`), except that only
process 0 uses the run's folder: it reads the checkpoint, sends it to the others, and writes.
"""

import ipaddress
import os
import sys
import traceback
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from data.errors import UserError
from experiments.runtime import broken_pipe, xla
from experiments.runtime.mesh import one_call_at_a_time
from experiments.runtime.options import Shared

HEARTBEAT_SECONDS = 10  # a process silent for longer counts as dead, and the others exit
CONNECT_SECONDS = 120  # for all processes to start


def start(config: Shared) -> None:
    """Configures the devices and joins the other processes; call it before any computation.

    Raises:
      UserError: the flags contradict one another, or no cluster is found.
    """
    if config.deterministic:
        xla.make_deterministic()
    if config.num_cpu_devices > 1:
        jax.config.update("jax_num_cpu_devices", config.num_cpu_devices)
    if not is_distributed(config, os.environ):
        return
    jax.config.update("jax_enable_preemption_service", False)  # the loop handles signals itself
    try:
        jax.distributed.initialize(
            **connection_arguments(config),
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            initialization_timeout=CONNECT_SECONDS,
        )
    except ValueError:
        raise UserError(
            "--distributed=on: JAX finds no SLURM job, TPU pod or Open MPI job; give "
            "--coordinator=HOST:PORT, --num_processes and --process_id."
        ) from None


def is_distributed(config: Shared, environment: Mapping[str, str]) -> bool:
    """Whether the run has several processes, by --distributed or else by the environment."""
    if config.distributed != "auto":
        return config.distributed == "on"
    tasks = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    return (
        config.coordinator != ""
        or any(int(environment.get(name, "1")) > 1 for name in tasks)
        or "," in environment.get("TPU_WORKER_HOSTNAMES", "")
    )


def connection_arguments(config: Shared) -> dict:
    """The arguments of `jax.distributed.initialize`; empty if JAX is to find them itself."""
    given = (config.coordinator != "", config.num_processes > 0, config.process_id >= 0)
    if not any(given):
        return {}
    if not all(given):
        raise UserError(
            "Give all of --coordinator, --num_processes and --process_id, or none of them."
        )
    if config.process_id >= config.num_processes:
        raise UserError(
            f"--process_id={config.process_id}: processes are numbered from 0 to "
            f"{config.num_processes - 1}."
        )
    host, colon, port = config.coordinator.rpartition(":")
    if not (host and colon and port.isdigit() and 0 < int(port) < 65_536):
        raise UserError(f"--coordinator={config.coordinator}: give the HOST:PORT of process 0.")
    arguments = dict(
        coordinator_address=config.coordinator,
        num_processes=config.num_processes,
        process_id=config.process_id,
    )
    if is_loopback(host):  # no other machine has to reach it
        arguments["coordinator_bind_address"] = config.coordinator
    return arguments


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_single_process() -> bool:
    """Whether this is the run's only process; does not start JAX."""
    return not jax.distributed.is_initialized()


def is_first() -> bool:
    """Whether this is process 0, the one that writes."""
    return is_single_process() or jax.process_index() == 0


def error_prefix() -> str:
    """What an error message begins with: `process 1 of 2: `, or nothing in a single process."""
    if is_single_process():
        return ""
    return f"process {jax.process_index()} of {jax.process_count()}: "


def from_first(message: bytes) -> bytes:
    """The message of process 0, in every process."""
    if is_single_process():
        return message
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    mine = np.frombuffer(message, np.uint8) if is_first() else np.zeros(size, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(mine), np.uint8).tobytes()


def make_agreement() -> Callable[[int], int]:
    """A function that turns each process's number into one number, the same in all.

    All processes must call it the same number of times. It returns the largest number that any of
    them passed to the previous call, so that none waits for the device; in a single process it
    returns its argument.
    """
    if is_single_process():
        return lambda number: number
    mesh = Mesh(np.array(jax.devices()), ("all",))
    each = NamedSharding(mesh, PartitionSpec("all"))
    largest = jax.jit(jnp.max, out_shardings=NamedSharding(mesh, PartitionSpec()))
    sent = largest(jax.device_put(np.zeros(len(jax.devices()), np.int32), each))

    def agreed(number: int) -> int:
        nonlocal sent
        before = int(sent)
        mine = np.full(jax.local_device_count(), number, np.int32)
        sent = largest(jax.make_array_from_process_local_data(each, mine))
        if one_call_at_a_time(sent.sharding.device_set):
            jax.block_until_ready(sent)
        return before

    return agreed


def leave(status: int) -> int:
    """Ends this process's part in the run; returns `status`, or exits at once.

    Processes that end together wait for one another. A process that fails exits at once, so that
    the others lose the connection and fail too instead of waiting for it.
    """
    if is_single_process():
        return status
    if status in (1, 2, broken_pipe.STATUS):
        _exit(status)
    jax.distributed.shutdown()
    return status


def fail() -> None:
    """Prints the exception being handled, and exits; does nothing in a single process."""
    if not is_single_process():
        traceback.print_exc()
        _exit(1)


def _exit(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a normal exit would wait for the other processes

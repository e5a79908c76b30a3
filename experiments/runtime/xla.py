"""XLA's options: around the one fault to stay clear of, for determinism, and to compile sooner.

jaxlib 0.10.2 and 0.11.0 compile some reductions wrongly on a CPU: the squared length of `matrix @
row`, taken for 32,769 or more float32 rows by `jit(vmap(...))`, is wrong in the last rows, with no
word of warning (https://github.com/jax-ml/jax/issues/39103); others crash. An empty list of fusion
types avoids both. XLA reads its flags once, when the first backend starts, so they have to be set
before the first computation.
"""

import importlib.metadata
import os
import sys
import warnings
from collections.abc import Callable

FAULTY = ("0.10.2", "0.11.0")
FLAG = "--xla_cpu_experimental_ynn_fusion_type"
# XLA: "guarantees run-to-run determinism on GPU"; it rules out kernels chosen by a race of their
# times, and sums by atomic additions. Other backends know the flag and have no use for it.
DETERMINISTIC = "--xla_gpu_deterministic_ops"


def jaxlib_version() -> str | None:
    """Read without importing jax; None before anything is installed."""
    try:
        return importlib.metadata.version("jaxlib")
    except importlib.metadata.PackageNotFoundError:
        return None


def with_workaround(flags: str, version: str | None) -> str:
    """`XLA_FLAGS` as it must be for this jaxlib; as it is where it needs nothing or has its say."""
    if version not in FAULTY or FLAG in flags:
        return flags
    return f"{flags} {FLAG}=".lstrip()


def backend_started() -> bool:
    """Whether JAX has a backend already, and so has read its flags."""
    bridge = sys.modules.get("jax._src.xla_bridge")  # the question has no public form
    return bridge is not None and bridge.backends_are_initialized()


def avoid_miscompiled_reductions() -> None:
    """Sets `XLA_FLAGS`, or warns where that comes too late or cannot be done."""
    flags = os.environ.get("XLA_FLAGS", "")
    fault = f"jaxlib {jaxlib_version()} compiles some CPU reductions wrongly"
    _set(flags, with_workaround(flags, jaxlib_version()), fault, f"{FLAG}=")


def make_deterministic() -> None:
    """The same bytes from the same run on a GPU too; a flag of the user's own stands."""
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = flags if DETERMINISTIC in flags else f"{flags} {DETERMINISTIC}=true".lstrip()
    _set(flags, wanted, "--deterministic is asked for", f"{DETERMINISTIC}=true")


def _set(flags: str, wanted: str, reason: str, missing: str) -> None:
    if wanted == flags:
        return
    if flags and not flags.lstrip().startswith("-"):
        problem = f"XLA_FLAGS names the file {flags}, which is left alone"
    elif backend_started():
        problem = "JAX has started already"
    else:
        os.environ["XLA_FLAGS"] = wanted
        return
    warnings.warn(
        f"{reason}, and {problem}: put {missing} among XLA's flags before JAX starts",
        RuntimeWarning,
        stacklevel=3,
    )


def call_once(function: Callable, *arguments):
    """`function(*arguments)`, compiled for this one call.

    A CPU's compiler is asked for less: it takes a third to four fifths of the time for what draws
    a net's first parameters, and the numbers are the same. Within another program, and where
    shapes alone are asked for, it is just called; where JAX is told to leave out most
    optimisations, its level is left alone.
    """
    import jax

    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments)):
        return function(*arguments)
    told = jax.config.read("jax_disable_most_optimizations")
    on_cpu = jax.default_backend() == "cpu"
    less = {"xla_backend_optimization_level": 1} if on_cpu and not told else None
    return jax.jit(function, compiler_options=less)(*arguments)


def reductions_are_right() -> bool:
    """Whether this process's JAX gets right, on the CPU, what a faulty one gets wrong."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    i = np.arange(40_000, dtype=np.float32)
    rows = np.stack([i, 0 * i, 0 * i], axis=1)
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        matrix = jnp.eye(3)
        lengths = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(rows)
    return np.allclose(lengths, i**2, rtol=1e-6)

"""XLA's options: a workaround for a miscompilation, determinism, and faster compilation.

jaxlib 0.10.2 and 0.11.0 miscompile some reductions on a CPU: the squared length of `matrix @ row`,
computed for 32,769 or more float32 rows by `jit(vmap(...))`, is silently wrong in the last rows
(https://github.com/jax-ml/jax/issues/39103); other reductions crash. An empty list of fusion types
avoids both. XLA reads its flags once, when the first backend starts, so they must be set before the
first computation.
"""

import importlib.metadata
import os
import sys
import warnings
from collections.abc import Callable

FAULTY = ("0.10.2", "0.11.0")
FLAG = "--xla_cpu_experimental_ynn_fusion_type"
# XLA: "guarantees run-to-run determinism on GPU"; it turns off autotuning and atomic additions.
# Other backends accept the flag and ignore it.
DETERMINISTIC = "--xla_gpu_deterministic_ops"


def jaxlib_version() -> str | None:
    """The installed version, read without importing jax; None if jaxlib is not installed."""
    try:
        return importlib.metadata.version("jaxlib")
    except importlib.metadata.PackageNotFoundError:
        return None


def with_workaround(flags: str, version: str | None) -> str:
    """`XLA_FLAGS` with the workaround, if this jaxlib needs it and the flag is not set already."""
    if version not in FAULTY or FLAG in flags:
        return flags
    return f"{flags} {FLAG}=".lstrip()


def backend_started() -> bool:
    """Whether JAX has started a backend, and so has read its flags."""
    bridge = sys.modules.get("jax._src.xla_bridge")  # there is no public function for this
    return bridge is not None and bridge.backends_are_initialized()


def avoid_miscompiled_reductions() -> None:
    """Sets `XLA_FLAGS`, or warns if it is too late or impossible."""
    flags = os.environ.get("XLA_FLAGS", "")
    fault = f"jaxlib {jaxlib_version()} miscompiles some CPU reductions"
    _set(flags, with_workaround(flags, jaxlib_version()), fault, f"{FLAG}=")


def make_deterministic() -> None:
    """Makes runs on a GPU reproducible to the bit, unless the user has set the flag already."""
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = flags if DETERMINISTIC in flags else f"{flags} {DETERMINISTIC}=true".lstrip()
    _set(flags, wanted, "--deterministic was given", f"{DETERMINISTIC}=true")


def _set(flags: str, wanted: str, reason: str, missing: str) -> None:
    if wanted == flags:
        return
    if flags and not flags.lstrip().startswith("-"):
        problem = f"XLA_FLAGS names the file {flags}, which is not changed"
    elif backend_started():
        problem = "JAX has started already"
    else:
        os.environ["XLA_FLAGS"] = wanted
        return
    warnings.warn(
        f"{reason}, but {problem}: add {missing} to XLA's flags before JAX starts",
        RuntimeWarning,
        stacklevel=3,
    )


def call_once(function: Callable, *arguments):
    """`function(*arguments)`, compiled for this one call.

    On a CPU it is compiled with fewer optimisations. For a function that initialises a net's
    parameters this takes from a third to four fifths of the time, and gives the same numbers.
    Under a JAX transformation or `eval_shape` the function is called directly. If JAX is configured
    to disable most optimisations, the level is not changed.
    """
    import jax

    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments)):
        return function(*arguments)
    least = jax.config.read("jax_disable_most_optimizations")
    on_cpu = jax.default_backend() == "cpu"
    compiler_options = {"xla_backend_optimization_level": 1} if on_cpu and not least else None
    return jax.jit(function, compiler_options=compiler_options)(*arguments)


def reductions_are_right() -> bool:
    """Whether JAX, in this process, compiles the reductions that a faulty jaxlib gets wrong."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    i = np.arange(40_000, dtype=np.float32)
    rows = np.stack([i, 0 * i, 0 * i], axis=1)
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        matrix = jnp.eye(3)
        lengths = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(rows)
    return np.allclose(lengths, i**2, rtol=1e-6)

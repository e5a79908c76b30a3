"""What JAX finds and whether it computes rightly, as JSON: for `doctor`, in a process of its own.

A jaxlib that does not fit the machine may end the process that imports it.
"""

import importlib
import json
import sys

import jax
import jax.numpy as jnp

from experiments.runtime import xla


def main() -> int:
    """Prints devices, whether two computations come out right, and whether all else is there."""
    devices = jax.devices()
    ones = jnp.ones((64, 64))
    found = {
        "platform": devices[0].platform,
        "devices": [device.device_kind for device in devices],
        "product": bool((jax.jit(jnp.matmul)(ones, ones) == 64).all()),
        "reductions": xla.reductions_are_right(),
        "import_error": "",
    }
    try:
        importlib.import_module("experiments.lenet5")  # which needs about all that is installed
    except Exception as error:  # whatever a broken package raises
        found["import_error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

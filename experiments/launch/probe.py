"""Prints as JSON what devices JAX finds and whether it computes correctly, for `doctor`.

It runs in a separate process, since a jaxlib built for another machine may crash on import.
"""

import importlib
import json
import sys

import jax
import jax.numpy as jnp

from experiments.runtime import xla


def main() -> int:
    """Prints the devices, whether two computations are correct, and any import error."""
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
        importlib.import_module("experiments.lenet5")  # imports nearly every package
    except Exception as error:  # whatever a broken package raises
        found["import_error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Two CPU devices against one, on the same two cores.

Each of the two devices has half of the rows, and their gradients are summed; a single device
spreads its matrix products over both cores. The steps are those of the experiments, on the loop's
own mesh.
"""

import os
import sys
from typing import Any

import jax

from experiments.speed import lenet5, scale
from experiments.speed.interleaved import Worker, chosen, core_counts
from experiments.speed.our_steps import serve_steps
from experiments.training.loop import init_state, make_step

WORKLOADS = {
    f"lenet5 step, batch {batch}": lambda batch=batch: lenet5_step(batch)
    for batch in lenet5.BATCHES
} | {
    name: lambda name=name: (*scale.whole_step(name), 1)
    for name in scale.WORKLOADS
    if not name.startswith("translate")
}


def lenet5_step(batch: int) -> tuple:
    """(step, state, batch, steps per call) of `./launch.sh speed lenet5`."""
    loss, optimizer, params, images, chunk_size = lenet5.training(batch)
    step = make_step(loss, optimizer, jax.random.key(0), chunk_size)
    return step, init_state(params, optimizer), images, lenet5.STEPS_PER_CALL


def benchmark(rounds: int, only: str = "") -> list[dict[str, Any]]:
    """A row for each workload, with two devices as ours and one as the peer."""
    cores, found = core_counts((2,))[0], []
    for name in chosen(WORKLOADS, only):
        print(f"{name} ...", file=sys.stderr, flush=True)
        module = "experiments.speed.devices"
        one, two = (
            Worker(module, [name, str(count)], heap=True, cores=cores) for count in (1, 2)
        )
        for _ in range(rounds):
            one.round()
            two.round()
        one.close()
        two.close()
        found.append(
            {
                "workload": name,
                "ours_ms": round(two.median, 4),
                "peer": "one device",
                "peer_ms": round(one.median, 4),
                "ratio": round(one.median / two.median, 3),
                "cores": cores or os.cpu_count(),
                "rounds": rounds,
            }
        )
    return found


def worker(name: str, devices: int) -> None:
    """Times a step on this number of devices."""
    if devices > 1:
        jax.config.update("jax_num_cpu_devices", devices)
    serve_steps(*WORKLOADS[name]())


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]))

"""LeNet-5's training step: ours, as `experiments.lenet5` runs it, and PyTorch's."""

import sys
from typing import Any

import jax
import numpy as np

from data.images import Images
from experiments.speed.interleaved import chosen, rows

BATCHES = (32, 128, 512)
FORMS = ("eager", "eager channels-last", "compiled", "compiled channels-last",
         "compiled with update", "compiled with update channels-last")  # fmt: skip
STEPS_PER_CALL = 4  # larger blocks, as the loop uses, gain nothing at these sizes
RATE = 1e-4


def benchmark(rounds: int, only: str = "") -> list[dict[str, Any]]:
    """Two rows for each batch size whose name contains `only`, such as "batch 32"."""
    found = []
    for name, batch in chosen({f"lenet5 step, batch {b}": b for b in BATCHES}, only).items():
        peers = {form: ("experiments.speed.torch_lenet5", [form, str(batch)]) for form in FORMS}
        ours = ("experiments.speed.lenet5", [str(batch)])
        found += rows(name, ours, peers, rounds)
    return found


def example_images(batch: int) -> Images:
    """Noise, since the cost of a step does not depend on the images."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (batch, 28, 28)).astype(np.uint8)
    return Images(images, generator.integers(0, 10, batch).astype(np.int32))


def training(batch: int) -> tuple:
    """(loss, optimizer, parameters, batch, chunk size): plain gradient descent on the MAP loss."""
    import optax

    from experiments import lenet5
    from experiments.images.classification import make_loss

    config, images = lenet5.PRESETS["paper"], example_images(batch)
    net = lenet5.make_net(config, 10)
    params = net.init(jax.random.key(0), images.images[:1])["params"]
    return make_loss(config, net), optax.sgd(RATE), params, images, config.chunk_size


def worker(batch: int) -> None:
    """Times our step."""
    from experiments.speed.our_steps import serve_training

    loss, optimizer, params, images, chunk_size = training(batch)
    serve_training(loss, optimizer, params, images, STEPS_PER_CALL, chunk_size)


if __name__ == "__main__":
    worker(int(sys.argv[1]))

"""Translation, ours against PyTorch's: a training step, and beam search.

The net is that of `./launch.sh translate --preset=cpu`, with PyTorch's kind of GRU (reset after the
product). A training step is the forward pass with dropout, label smoothing, back-propagation,
clipping and Adam, on one bucket's batch. A search decodes 64 sentences of up to 16 words with a
beam of 5 for 20 steps; the weights are random, so few sequences end earlier.
"""

import dataclasses
import os
import sys
from typing import Any

import numpy as np

from experiments.speed.interleaved import chosen, core_counts, rows

TRAINING, SEARCH = "training step, batch 64 of 19 words", "beam search, 64 sentences, beam 5"
WORKLOADS = {TRAINING: (64, 19), SEARCH: (64, 16)}  # sentences, words
STEPS = 20  # per search
BEAM = 5
STEPS_PER_CALL = 2


def preset():
    """The net's options."""
    from experiments.translate import PRESETS

    return dataclasses.replace(PRESETS["cpu"], cell="gru_after")


def example_batch(name: str) -> dict[str, np.ndarray]:
    """Noise: source [B, S], target [B, T + 1] with T = S, and lengths [B] of both."""
    batch, steps = WORKLOADS[name]
    random, words = np.random.default_rng(0), preset().vocabulary
    return {
        "source": random.integers(4, words, (batch, steps)).astype(np.int32),
        "target": random.integers(4, words, (batch, steps + 1)).astype(np.int32),
        "lengths": random.integers(steps // 2, steps + 1, batch).astype(np.int32),
    }


def benchmark(rounds: int, only: str = "") -> list[dict[str, Any]]:
    """Rows for one pinned core and for two.

    Raises:
      UserError: no workload's name contains `only`.
    """
    found = []
    for cores in core_counts((1, 2)):
        for name in chosen(WORKLOADS, only):
            print(f"{name}, {cores or os.cpu_count()} core(s) ...", file=sys.stderr, flush=True)
            forms = ("eager", "compiled") if name == TRAINING else ("eager",)
            peers = {form: ("experiments.speed.torch_translate", [form, name]) for form in forms}
            found += rows(name, ("experiments.speed.translate", [name]), peers, rounds, cores)
    return found


def worker(name: str) -> None:
    """Times ours."""
    import jax

    from experiments.speed.interleaved import serve
    from experiments.speed.our_steps import serve_training
    from experiments.training.optimizer import make_optimizer
    from experiments.translation.loss import make_loss
    from experiments.translation.net import make_model
    from experiments.translation.pairs import Batch
    from experiments.translation.translator import make_search

    config, example = preset(), example_batch(name)
    model = make_model(config, config.vocabulary, config.vocabulary)
    params = jax.jit(model.init)(jax.random.key(0))
    mask = np.arange(example["source"].shape[1]) < example["lengths"][:, None]
    if name == TRAINING:
        batch = Batch(example["source"], mask, example["target"], mask)
        loss = make_loss(config, model, float(mask.sum()))
        serve_training(loss, make_optimizer(config, 1), params, batch, STEPS_PER_CALL)
    else:
        search = make_search(model, BEAM, 1.0, STEPS)
        limits = np.full(len(mask), STEPS)
        serve(lambda: search(params, example["source"], mask, limits), jax.block_until_ready)


if __name__ == "__main__":
    worker(sys.argv[1])

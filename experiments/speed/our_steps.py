"""Our side of every workload: training steps as the loop makes them, several in one call."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.speed.interleaved import serve
from experiments.train import Loss, init_state, make_step, many


def serve_training(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    params: Any,
    batch: Any,
    count: int,
    chunk_size: int | None = None,
) -> None:
    """Times training steps on one batch for `interleaved.Worker`, `count` of them in a call."""
    run = many(make_step(loss, optimizer, jax.random.key(0), chunk_size))
    state = init_state(params, optimizer)
    block = jax.tree.map(lambda xs: jnp.stack([xs] * count), batch)

    def steps():
        nonlocal state
        state, metrics = run(state, block, count)
        return metrics

    serve(steps, jax.block_until_ready, count)

"""Our side of every benchmark: training steps as the loop runs them, several per call."""

from typing import Any

import jax
import numpy as np
import optax

from experiments.runtime.mesh import block_of_batches, mesh_for, placed
from experiments.speed.interleaved import serve
from experiments.training.loop import Loss, Step, TrainState, init_state, make_step, many_in_place


def serve_training(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    params: Any,
    batch: Any,
    count: int,
    chunk_size: int | None = None,
) -> None:
    """Times training steps on one batch for `interleaved.Worker`, `count` of them per call."""
    step = make_step(loss, optimizer, jax.random.key(0), chunk_size)
    serve_steps(step, init_state(params, optimizer), batch, count)


def serve_steps(step: Step, state: TrainState, batch: Any, count: int) -> None:
    """The same for a given step; its batch [B, ...] is sharded over all devices."""
    mesh = mesh_for(len(jax.tree.leaves(batch)[0]))
    state = placed(mesh, state)
    block = block_of_batches(mesh, jax.tree.map(lambda xs: np.stack([xs] * count), batch), count)
    run = many_in_place(step, state)

    def steps():
        nonlocal state
        state, metrics = run(state, block, count)
        return metrics

    serve(steps, jax.block_until_ready, count)

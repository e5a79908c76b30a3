"""Our side of the recurrent workloads, made of what an experiment is made of."""

import sys

import jax
import jax.numpy as jnp
import optax

from experiments.speed.interleaved import serve
from experiments.speed.recurrent import CLIP, RATE, WORKLOADS, Workload, example_batch
from experiments.train import Ratio, init_state, make_step, many
from nets.affine import affine
from nets.cells import GRU, LSTM, RNN, fold
from nets.unroll import both_directions, checkpointed, unroll_layers


def cells_of(workload: Workload) -> list:
    """A cell for each layer, or a pair of them."""
    make = {"tanh": RNN, "gru": lambda hidden: GRU(hidden, reset_after=True), "lstm": LSTM}
    cell = make[workload.cell](workload.hidden)
    return [(cell, cell) if workload.lengths else cell] * workload.layers


def init(workload: Workload, key: jax.Array) -> dict:
    """The parameters: embedding where there is one, layers, and the affine map to the classes."""
    w, draw = workload, jax.nn.initializers.lecun_normal()
    key_in, key_out, *keys = jax.random.split(key, 2 + w.layers)
    ways = 2 if w.lengths else 1
    params, width = {"layers": []}, w.embedding or w.inputs
    if w.embedding:
        params["embedding"] = jax.random.normal(key_in, (w.inputs, w.embedding))
    for cell, key in zip(cells_of(w), keys, strict=True):
        if w.lengths:
            ahead, behind = jax.random.split(key)
            params["layers"].append((cell[0].init(ahead, width), cell[1].init(behind, width)))
        else:
            params["layers"].append(cell.init(key, width))
        width = ways * w.hidden
    params["out"] = {"w": draw(key_out, (width, w.outputs)), "b": jnp.zeros(w.outputs)}
    return params


def logits_of(workload: Workload, params: dict, xs, carry=None, mask=None):
    """(last carries, logits [T, B, C]) of one batch of sequences."""
    layers = params["layers"]
    if workload.embedding and workload.inputs < xs.size:
        layers = [fold(layers[0], params["embedding"]), *layers[1:]]
    elif workload.embedding:
        xs = params["embedding"][xs]
    way = {"layer": both_directions} if workload.lengths else {}
    last, ys = unroll_layers(cells_of(workload), layers, xs, carry, mask=mask, **way)
    return last, affine(ys, **params["out"])


def make_loss(workload: Workload):
    """The mean cross entropy of the real steps."""

    def loss(params, variables, carry, batch, key):
        xs, targets = batch["xs"], batch["targets"]
        mask = None
        if workload.lengths:
            mask = jnp.arange(workload.steps)[:, None] < batch["lengths"]  # [T, B]
        _, logits = logits_of(workload, params, xs, mask=mask)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        ratio = Ratio(
            jnp.sum(losses, where=mask), jnp.float32(losses.size) if mask is None else mask.sum()
        )
        return ratio.total / ratio.count, (variables, carry, {"loss": ratio})

    return loss


def make_chunked_loss(workload: Workload, chunk: int):
    """The same for symbols, with all that is as long as the sequence made chunk by chunk."""

    def loss(params, variables, carry, batch, key):
        def part(carried, chunk_of_batch):
            carry, total = carried
            carry, logits = logits_of(workload, params, chunk_of_batch["xs"], carry)
            losses = optax.softmax_cross_entropy_with_integer_labels(
                logits, chunk_of_batch["targets"]
            )
            return (carry, total + losses.sum()), None

        first = tuple(cell.carry(workload.batch) for cell in cells_of(workload))
        (_, total), _ = checkpointed(part, (first, 0.0), batch, chunk=chunk)
        ratio = Ratio(total, jnp.float32(batch["targets"].size))
        return ratio.total / ratio.count, (variables, carry, {"loss": ratio})

    return loss


def make_optimizer(workload: Workload) -> optax.GradientTransformation:
    """Adagrad on a clipped gradient, or gradient descent."""
    if workload.clipped:
        return optax.chain(optax.clip(CLIP), optax.adagrad(RATE, initial_accumulator_value=0.0))
    return optax.sgd(RATE)


def steps_per_call(workload: Workload) -> int:
    """Enough that the call itself costs nothing beside them."""
    return max(2, 6400 // (workload.steps * workload.batch))


def worker(workload: Workload) -> None:
    """Times our step."""
    optimizer, key = make_optimizer(workload), jax.random.key(0)
    run = many(make_step(make_loss(workload), optimizer, key))
    state = init_state(init(workload, key), optimizer)
    count = min(20, steps_per_call(workload))
    block = jax.tree.map(lambda xs: jnp.stack([xs] * count), example_batch(workload))

    def steps():
        nonlocal state
        state, metrics = run(state, block, count)
        return metrics

    serve(steps, jax.block_until_ready, count)


if __name__ == "__main__":
    worker(WORKLOADS[sys.argv[1]])

"""Our side of the recurrent workloads, built from the same parts as an experiment."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import optax
from jax.ad_checkpoint import checkpoint_name

from experiments.speed.our_steps import serve_training
from experiments.speed.recurrent import ALL, CLIP, RATE, Workload, example_batch
from experiments.training.loop import Ratio
from experiments.training.norm import clip_by_norm
from nets.affine import affine
from nets.cells import GRU, LSTM, RNN, fold
from nets.language_model import Dropout, LanguageModel
from nets.unroll import both_directions, checkpointed, unroll_layers

CELLS = {
    "tanh": RNN,
    "relu": lambda hidden: RNN(hidden, jax.nn.relu),
    "gru": lambda hidden: GRU(hidden, reset_after=True),
    "lstm": LSTM,
}


def model_of(workload: Workload) -> LanguageModel:
    """The net of a workload of symbols: that of the character RNN."""
    cells = (CELLS[workload.cell](workload.hidden),) * workload.layers
    return LanguageModel(cells, workload.inputs, workload.embedding, Dropout(workload.dropout))


def pairs_of(workload: Workload) -> list:
    """A forward and a backward cell for each layer of a workload of vectors."""
    return [(CELLS[workload.cell](workload.hidden),) * 2] * workload.layers


def init(workload: Workload, key: jax.Array) -> dict:
    """The parameters, named as in `nets.language_model`."""
    if not workload.lengths:
        return model_of(workload).init(key)
    key_out, *keys = jax.random.split(key, 1 + workload.layers)
    layers, width = [], workload.inputs
    for pair, key in zip(pairs_of(workload), keys, strict=True):
        both = zip(pair, jax.random.split(key), strict=True)
        layers.append(tuple(cell.init(key, width) for cell, key in both))
        width = 2 * workload.hidden
    weights = jax.nn.initializers.lecun_normal()(key_out, (width, workload.outputs))
    return {"layers": layers, "output": {"weights": weights, "bias": jnp.zeros(workload.outputs)}}


def label_logits(workload: Workload, params: dict, xs: jax.Array, mask: jax.Array) -> jax.Array:
    """Logits [T, B, C] of vectors xs [T, B, D], from bidirectional layers."""
    _, ys = unroll_layers(
        pairs_of(workload), params["layers"], xs, mask=mask, layer=both_directions
    )
    return affine(ys, params["output"]["weights"], params["output"]["bias"])


def make_loss(workload: Workload):
    """The mean cross entropy over the steps that are not padding."""

    def loss(params, variables, carry, batch, key):
        xs, targets, mask = batch["xs"], batch["targets"], None
        if workload.lengths:
            mask = jnp.arange(workload.steps)[:, None] < batch["lengths"]  # [T, B]
            logits = label_logits(workload, params, xs, mask)
        else:
            model = model_of(workload)
            _, logits = model.logits(params, xs, model.carry(workload.batch), key)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        ratio = Ratio(
            jnp.sum(losses, where=mask), jnp.float32(losses.size) if mask is None else mask.sum()
        )
        return ratio.total / ratio.count, (variables, carry, {"loss": ratio})

    return loss


def make_chunked_loss(workload: Workload, chunk: int):
    """The same for embedded symbols, computed chunk by chunk along the sequence."""

    model = dataclasses.replace(model_of(workload), embedding=0)

    def loss(params, variables, carry, batch, key):
        # the embedding is folded into the first layer's weights once, not in every chunk
        first, *rest = params["layers"]
        params = {**params, "layers": (fold(first, params["embedding"]), *rest)}

        def part(carried, chunk_of_batch):
            carry, total = carried
            carry, logits = model.logits(params, chunk_of_batch["xs"], carry)
            logits = checkpoint_name(logits, "logits")
            losses = optax.softmax_cross_entropy_with_integer_labels(
                logits, chunk_of_batch["targets"]
            )
            return (carry, total + losses.sum()), None

        first = model.carry(workload.batch), 0.0
        (_, total), _ = checkpointed(part, first, batch, chunk=chunk, keep=["logits"])
        ratio = Ratio(total, jnp.float32(batch["targets"].size))
        return ratio.total / ratio.count, (variables, carry, {"loss": ratio})

    return loss


def make_optimizer(workload: Workload) -> optax.GradientTransformation:
    """Adagrad or SGD, with the gradient clipped as the workload says."""
    if workload.clip_norm:
        return optax.chain(clip_by_norm(workload.clip_norm), optax.sgd(RATE))
    if workload.clipped:
        return optax.chain(optax.clip(CLIP), optax.adagrad(RATE, initial_accumulator_value=0.0))
    return optax.sgd(RATE)


def steps_per_call(workload: Workload) -> int:
    """From 2 to 200: enough for the cost of the call itself to be negligible."""
    return min(200, max(2, 6400 // (workload.steps * workload.batch)))


def worker(workload: Workload) -> None:
    """Times our step."""
    params, batch = init(workload, jax.random.key(0)), example_batch(workload)
    count = steps_per_call(workload)
    serve_training(make_loss(workload), make_optimizer(workload), params, batch, count)


if __name__ == "__main__":
    worker(ALL[sys.argv[1]])

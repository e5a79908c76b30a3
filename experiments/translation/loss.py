"""The loss of a translator, and its perplexity."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from data.buckets import covering
from experiments.training.loop import Ratio, evaluate
from experiments.translation.pairs import EVALUATION_BATCH, Batch, Coded, batch_of
from nets.seq2seq import Seq2Seq


def surprise(model: Seq2Seq, params, batch: Batch, key=None, smoothing=0.0):
    """-ln p of every target word, [T, B] with 0 at padding, and the same smoothed.

    Label smoothing (Szegedy et al. 2016) mixes the wanted word with a uniform one.
    """
    source = model.encode(params, batch.source.T, batch.source_mask.T, key)
    memory, carry = model.begin(params, source)
    target, mask = batch.target.T, batch.target_mask.T
    _, logits, _ = model.decode(params, memory, carry, target[:-1], key)
    wanted = jnp.take_along_axis(logits, target[1:, :, None], -1)[..., 0]
    nats = jax.nn.logsumexp(logits, -1) - wanted
    smoothed = nats + smoothing * (wanted - logits.mean(-1)) if smoothing else nats
    return jnp.where(mask, nats, 0), jnp.where(mask, smoothed, 0)


def make_loss(config, model: Seq2Seq, words: float):
    """The surprise of a Batch over `words`, those of an average batch, for the loop.

    Long sentences so weigh as many words as they have, and a batch as many as are in it.
    """

    def loss(params, variables, carry, batch, key):
        nats, smoothed = surprise(model, params, batch, key, config.label_smoothing)
        count = batch.target_mask.sum(dtype=jnp.float32)
        return smoothed.sum() / words, (variables, carry, {"nats": Ratio(nats.sum(), count)})

    return loss


def make_perplexity(model: Seq2Seq, shapes: np.ndarray):
    """(params, pairs) -> the perplexity per target word, ends included."""

    @jax.jit
    def measure(params, batch, real):
        nats, _ = surprise(model, params, batch)
        counts = batch.target_mask.T & real
        return {"nats": Ratio((nats * real).sum(), counts.sum(dtype=jnp.float32))}

    def perplexity(params, pairs: Coded) -> float:
        cuts = (
            (batch_of(pairs, rows, shapes[bucket]), np.arange(len(rows)) < count)
            for bucket, rows, count in covering(pairs.lengths, shapes, EVALUATION_BATCH)
        )
        return math.exp(evaluate(lambda cut: measure(params, *cut), cuts).means()["nats"])

    return perplexity

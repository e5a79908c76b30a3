"""The loss of a translator, and its perplexity."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from data.buckets import covering
from experiments.training.loop import Ratio, evaluate, unwatched
from experiments.translation.pairs import EVALUATION_BATCH, Batch, Coded, batch_of
from nets.seq2seq import Seq2Seq


def surprisals(model: Seq2Seq, params, batch: Batch, key=None, smoothing=0.0):
    """-ln p of every target word, [T, B] with 0 at padding, without and with label smoothing.

    Label smoothing (Szegedy et al. 2016) mixes the target with a uniform distribution.
    """
    source = model.encode(params, batch.source.T, batch.source_mask.T, key)
    memory, carry = model.begin(params, source)
    target, mask = batch.target.T, batch.target_mask.T
    _, logits, _ = model.decode(params, memory, carry, target[:-1], key)
    correct = jnp.take_along_axis(logits, target[1:, :, None], -1)[..., 0]
    nats = jax.nn.logsumexp(logits, -1) - correct
    smoothed = nats + smoothing * (correct - logits.mean(-1)) if smoothing else nats
    return jnp.where(mask, nats, 0), jnp.where(mask, smoothed, 0)


def make_loss(config, model: Seq2Seq, words: float):
    """The summed surprisal of a Batch, divided by `words`, for `experiments.training.loop`.

    `words` is the number of target words in an average batch, so that every word has the same
    weight, whatever the lengths of the sentences in its batch.
    """

    def loss(params, variables, carry, batch, key):
        nats, smoothed = surprisals(model, params, batch, key, config.label_smoothing)
        count = batch.target_mask.sum(dtype=jnp.float32)
        return smoothed.sum() / words, (variables, carry, {"nats": Ratio(nats.sum(), count)})

    return loss


def make_perplexity(model: Seq2Seq, shapes: np.ndarray):
    """A function (params, pairs, watch, what) -> the perplexity per target word, ends included.

    `watch` goes through the batches of `what` (`experiments.training.loop`).
    """

    @jax.jit
    def measure(params, batch, real):
        nats, _ = surprisals(model, params, batch)
        counts = batch.target_mask.T & real
        return {"nats": Ratio((nats * real).sum(), counts.sum(dtype=jnp.float32))}

    def perplexity(params, pairs: Coded, watch=unwatched, what: str = "") -> float:
        cover = list(covering(pairs.lengths, shapes, EVALUATION_BATCH))
        batches = (
            (batch_of(pairs, rows, shapes[bucket]), np.arange(len(rows)) < count)
            for bucket, rows, count in watch(cover, what, len(cover))
        )
        return math.exp(evaluate(lambda batch: measure(params, *batch), batches).means()["nats"])

    return perplexity

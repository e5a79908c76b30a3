"""What translation needs of the loop: coded pairs, their batches, the loss, and perplexity."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data.buckets import Buckets, Ragged, bucket_shapes, covering
from data.errors import UserError
from data.parallel_text import Corpus, Pairs
from data.vocabulary import BEGIN, END, Vocabulary, build
from experiments.runtime.mesh import block_of_batches, own_rows
from experiments.training.loop import Ratio, evaluate
from nets.seq2seq import Seq2Seq

EVALUATION_BATCH = 64
WASTE = 0.4  # each bucket is one more program to compile


class Vocabularies(NamedTuple):
    """Of the two sides."""

    source: Vocabulary
    target: Vocabulary


class Coded(NamedTuple):
    """Pairs in numbers: sources end with END, targets begin with BEGIN and end with END."""

    sources: Ragged
    targets: Ragged

    @property
    def lengths(self) -> np.ndarray:
        """[N, 2]: what the encoder and the decoder read."""
        return np.stack([self.sources.lengths, self.targets.lengths - 1], 1)


class Batch(NamedTuple):
    """Some pairs side by side, [B, ...]."""

    source: np.ndarray  # int [B, S]
    source_mask: np.ndarray  # bool [B, S]
    target: np.ndarray  # int [B, T + 1]
    target_mask: np.ndarray  # bool [B, T], of the words that are predicted


def make_vocabularies(config, train: Pairs) -> Vocabularies:
    """Both sides' by the options; raises UserError."""
    return Vocabularies(
        build(train.sources, config.source_unit, config.vocabulary, config.least_count),
        build(train.targets, config.target_unit, config.vocabulary, config.least_count),
    )


def source_codes(vocabulary: Vocabulary, line: str, reverse: bool) -> list[int]:
    """What the encoder reads of a line."""
    codes = vocabulary.codes(line)
    return [*(codes[::-1] if reverse else codes), END]


def coded(pairs: Pairs, vocabularies: Vocabularies, reverse: bool) -> Coded:
    """Pairs in numbers."""
    sources = [source_codes(vocabularies.source, line, reverse) for line in pairs.sources]
    targets = [[BEGIN, *vocabularies.target.codes(line), END] for line in pairs.targets]
    return Coded(Ragged.of(sources, np.int32), Ragged.of(targets, np.int32))


def shorter(pairs: Pairs, vocabularies: Vocabularies, longest: int) -> Pairs:
    """The pairs of which no side has more than `longest` words; raises UserError for none."""
    kept = [
        pair
        for pair in zip(*pairs, strict=True)
        if all(len(v.codes(line)) <= longest for v, line in zip(vocabularies, pair, strict=True))
    ]
    if not kept:
        raise UserError(f"--longest={longest}: no training pair is as short; make it larger.")
    return Pairs(*map(list, zip(*kept, strict=True)))


class Sentences(NamedTuple):
    """A corpus in numbers, and the few shapes that its batches have."""

    train: Coded
    valid: Coded
    test: Coded
    shapes: np.ndarray  # [K, 2]

    @classmethod
    def of(cls, corpus: Corpus, vocabularies: Vocabularies, reverse: bool) -> "Sentences":
        parts = [coded(pairs, vocabularies, reverse) for pairs in corpus]
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(*parts, bucket_shapes(lengths, WASTE))

    @property
    def growth(self) -> float:
        """How many words of the target come on one of the source."""
        return float(self.train.lengths[:, 1].sum() / self.train.lengths[:, 0].sum())


def make_batches(config, sentences: Sentences, buckets: Buckets, mesh):
    """Blocks of Batches [steps, B, ...] as a pure function of the step."""

    def batches(first: int, count: int) -> Batch:
        bucket, rows = buckets.rows(first, count)
        rows = rows[:, own_rows(rows.shape[1])]
        block = batch_of(sentences.train, rows, sentences.shapes[bucket])
        return block_of_batches(mesh, block, config.steps_per_call)

    return batches


def batch_of(pairs: Coded, rows: np.ndarray, shape: np.ndarray) -> Batch:
    """The pairs of these rows, filled up to a shape (S, T)."""
    source, source_mask = pairs.sources.padded(rows, int(shape[0]))
    target, target_mask = pairs.targets.padded(rows, int(shape[1]) + 1)
    return Batch(source, source_mask, target, target_mask[..., 1:])


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

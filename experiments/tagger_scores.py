"""What a tagger says of sentences, and how right it is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optax import softmax_cross_entropy_with_integer_labels

from data import spans
from data.sentences import Corpus
from experiments.tagger_net import Batch, Labeller

SCORINGS = ("auto", "overlap", "exact", "accuracy")


class Said(NamedTuple):
    """Labels by number for each of some sentences, and the mean surprise -ln p of the gold ones."""

    labels: list[np.ndarray]
    nats: float


def make_predict(net: Labeller, programs):
    """(params, vectors, batch) -> labels [B, T] or [B, 1], and the sum of -ln p of each row."""

    def predict(params, vectors, batch: Batch):
        logits, _ = net.logits(params, vectors, batch)
        targets = batch.labels[:, 0] if net.whole else batch.labels.T
        nats = softmax_cross_entropy_with_integer_labels(logits, targets)
        if net.whole:
            return logits.argmax(-1)[:, None], nats
        return logits.argmax(-1).T, (nats * batch.mask.T).sum(0)

    return programs.jit(predict)


def say(predict, params, vectors, data, part, rows=None) -> Said:
    """What the net says of a part of the data, or of some rows of it, in their order."""
    labels, nats = {}, 0.0
    for at, count, batch in data.cuts(part, rows):
        said, surprise = jax.device_get(predict(params, vectors, batch))
        nats += float(surprise[:count].sum(dtype=np.float64))
        for row, line in zip(at[:count], said, strict=False):
            labels[row] = line[: part.labels.lengths[row]]
    order = sorted(labels) if rows is None else rows
    words = sum(len(labels[row]) for row in order)
    return Said([labels[row] for row in order], nats / max(words, 1))


def scoring_of(config, corpus: Corpus) -> str:
    """How a corpus is scored: overlap for opinions, exact for other spans, accuracy."""
    if config.scoring != "auto":
        return config.scoring
    if config.dataset.startswith("mpqa-"):
        return "overlap"
    labels = {label for row in corpus.train.labels for label in row}
    return "exact" if spans.are_spans(labels) else "accuracy"


HEADLINE = {"overlap": "proportional_f1", "exact": "chunk_f1", "accuracy": "accuracy_percent"}


def figures(
    scoring: str, gold: Sequence[Sequence[str]], said: Sequence[Sequence[str]]
) -> dict[str, float]:
    """In percent, the one to choose by first.

    Args:
      scoring: overlap, exact or accuracy.
      gold, said: labels of each sentence.
    """
    pairs = list(zip(gold, said, strict=True))
    right = sum(a == b for theirs, ours in pairs for a, b in zip(theirs, ours, strict=True))
    accuracy = {"accuracy_percent": 100 * right / max(1, sum(map(len, gold)))}
    if scoring == "accuracy":
        return accuracy
    if scoring == "exact":
        return _percent("chunk", spans.exact(pairs)) | accuracy
    proportional, binary = spans.overlap(pairs)
    return _percent("proportional", proportional) | _percent("binary", binary)


def _percent(name: str, score: spans.Score) -> dict[str, float]:
    return {
        f"{name}_f1": 100 * score.f1,
        f"{name}_precision": 100 * score.precision,
        f"{name}_recall": 100 * score.recall,
    }


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over folds."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def top_layer(net: Labeller):
    """(params, vectors, batch) -> what the last layer gives out, [B, T, width]; compiled."""

    @jax.jit
    def hidden(params, vectors, batch: Batch):
        return jnp.moveaxis(net.logits(params, vectors, batch)[1][-1], 0, 1)

    return hidden

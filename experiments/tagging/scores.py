"""The predictions of a tagger, and their scores."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optax import softmax_cross_entropy_with_integer_labels

from data import spans
from data.errors import UserError
from data.sentences import Corpus
from experiments.tagging.net import Batch, Labeller, vmap_copies

SCORINGS = ("auto", "overlap", "exact", "accuracy")


class Predictions(NamedTuple):
    """The predictions of one copy of a net for some sentences."""

    labels: list[np.ndarray]  # numbers of the predicted labels
    nats: np.ndarray  # -ln p of the gold labels, summed over each sentence


def make_predict(nets: Mapping[str, Labeller]):
    """A compiled function (params, vectors, batch) -> labels and nats by net.

    The labels are [F, B, T] or [F, B, 1] for F copies, the nats [F, B]; see `Predictions`.
    """

    def predict_copy(net: Labeller, params, vectors, batch: Batch):
        logits, _ = net.logits(params, vectors, batch)
        targets = batch.labels[:, 0] if net.whole else batch.labels.T
        nats = softmax_cross_entropy_with_integer_labels(logits, targets)
        if net.whole:
            return logits.argmax(-1)[:, None], nats
        return logits.argmax(-1).T, (nats * batch.mask.T).sum(0)

    def predict(params, vectors, batch: Batch):
        return {
            name: vmap_copies(lambda p, net=net: predict_copy(net, p, vectors, batch))(params[name])
            for name, net in nets.items()
        }

    return jax.jit(predict)


def predict_part(predict, params, vectors, data, part, watch) -> dict[str, list[Predictions]]:
    """The predictions of every copy of every net for a part of the data, in its order."""
    found = {}
    cover = data.cover(part)
    for rows, count, batch in data.batches(part, watch(cover, "evaluation", len(cover))):
        for name, (labels, nats) in jax.device_get(predict(params, vectors, batch)).items():
            copies = found.setdefault(name, [({}, {}) for _ in labels])
            for (by_row, sums), copy, each in zip(copies, labels, nats, strict=True):
                for row, line, total in zip(rows[:count], copy, each, strict=False):
                    by_row[row], sums[row] = line[: part.labels.lengths[row]], total
    order = range(len(part.lengths))
    return {
        name: [Predictions([by_row[n] for n in order],
                           np.array([sums[n] for n in order], np.float64))
               for by_row, sums in copies]
        for name, copies in found.items()
    }  # fmt: skip


def scoring_of(config, corpus: Corpus) -> str:
    """How a corpus is scored: by overlap (opinions), exact spans, or accuracy.

    Raises:
      UserError: spans are to be scored, but a label does not encode any.
    """
    labels = {name for part in corpus[:3] for row in part.labels for name in row}
    if config.scoring == "auto":
        if config.dataset.startswith("mpqa-"):
            return "overlap"
        return "exact" if spans.are_spans(labels) else "accuracy"
    others = sorted(name for name in labels if not spans.is_span_label(name))
    if config.scoring != "accuracy" and others:
        raise UserError(
            f"--scoring={config.scoring} counts spans, and {others[0]!r} is not a label of a span "
            "such as B-NP, I-NP or O; give --scoring=accuracy."
        )
    return config.scoring


# The figure by which the best parameters are chosen.
HEADLINE = {"overlap": "proportional_f1", "exact": "chunk_f1", "accuracy": "accuracy_percent"}


def score(
    scoring: str,
    gold: Sequence[Sequence[str]],
    predictions: Predictions,
    labels: Sequence[str],
    rows: Sequence[int] | None = None,
) -> dict[str, float]:
    """The figures of predictions: percentages, `HEADLINE` first, and the mean -ln p of a label.

    Args:
      scoring: overlap, exact or accuracy.
      gold: the labels of each sentence.
      predictions: for the same sentences.
      labels: by number.
      rows: the sentences that count; all by default.
    """
    rows = range(len(gold)) if rows is None else rows
    pairs = [(gold[row], [labels[n] for n in predictions.labels[row]]) for row in rows]
    count = sum(len(wanted) for wanted, _ in pairs)
    correct = sum(a == b for wanted, found in pairs for a, b in zip(wanted, found, strict=True))
    nats = {"nats": float(sum(predictions.nats[row] for row in rows) / count)}
    accuracy = {"accuracy_percent": 100 * correct / count}
    if scoring == "accuracy":
        return accuracy | nats
    if scoring == "exact":
        return _percent("chunk", spans.exact(pairs)) | accuracy | nats
    proportional, binary = spans.overlap(pairs)
    return _percent("proportional", proportional) | _percent("binary", binary) | nats


def _percent(name: str, score: spans.Score) -> dict[str, float]:
    return {
        f"{name}_f1": 100 * score.f1,
        f"{name}_precision": 100 * score.precision,
        f"{name}_recall": 100 * score.recall,
    }


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over folds."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def make_top_layer(net: Labeller):
    """A compiled function (params, vectors, batch) -> the last layer's outputs [B, T, width]."""

    @jax.jit
    def top_layer(params, vectors, batch: Batch):
        return jnp.moveaxis(net.logits(params, vectors, batch)[1][-1], 0, 1)

    return top_layer

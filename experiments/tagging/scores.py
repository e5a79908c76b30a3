"""What a tagger says of sentences, and how right it is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optax import softmax_cross_entropy_with_integer_labels

from data import spans
from data.errors import UserError
from data.sentences import Corpus
from experiments.tagging.net import Batch, Labeller, over_copies

SCORINGS = ("auto", "overlap", "exact", "accuracy")


class Said(NamedTuple):
    """Of a copy of a net: the numbers of some sentences' labels, and -ln p of the gold ones."""

    labels: list[np.ndarray]
    nats: np.ndarray  # of each sentence, the sum over its labels


def make_predict(nets: Mapping[str, Labeller], programs):
    """(params, vectors, batch) -> by net: labels [F, B, T] or [F, B, 1] and nats [F, B]."""

    def of_copy(net: Labeller, params, vectors, batch: Batch):
        logits, _ = net.logits(params, vectors, batch)
        targets = batch.labels[:, 0] if net.whole else batch.labels.T
        nats = softmax_cross_entropy_with_integer_labels(logits, targets)
        if net.whole:
            return logits.argmax(-1)[:, None], nats
        return logits.argmax(-1).T, (nats * batch.mask.T).sum(0)

    def predict(params, vectors, batch: Batch):
        return {
            name: over_copies(lambda p, net=net: of_copy(net, p, vectors, batch))(params[name])
            for name, net in nets.items()
        }

    return programs.jit(predict)


def say(predict, params, vectors, data, part) -> dict[str, list[Said]]:
    """What every copy of every net says of a part of the data, in its order."""
    found = {}
    for rows, count, batch in data.cuts(part):
        for name, (labels, nats) in jax.device_get(predict(params, vectors, batch)).items():
            copies = found.setdefault(name, [({}, {}) for _ in labels])
            for (lines, sums), copy, each in zip(copies, labels, nats, strict=True):
                for row, line, total in zip(rows[:count], copy, each, strict=False):
                    lines[row], sums[row] = line[: part.labels.lengths[row]], total
    order = range(len(part.lengths))
    return {
        name: [Said([lines[n] for n in order], np.array([sums[n] for n in order], np.float64))
               for lines, sums in copies]
        for name, copies in found.items()
    }  # fmt: skip


def scoring_of(config, corpus: Corpus) -> str:
    """How a corpus is scored: overlap for opinions, exact for other spans, or accuracy.

    Raises:
      UserError: spans are to be scored, and there is a label that encodes none.
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


HEADLINE = {"overlap": "proportional_f1", "exact": "chunk_f1", "accuracy": "accuracy_percent"}


def figures(
    scoring: str, gold: Sequence[Sequence[str]], said: Said, labels: Sequence[str], rows=None
) -> dict[str, float]:
    """In percent, the one to choose by first, and the mean -ln p of a label in nats.

    Args:
      scoring: overlap, exact or accuracy.
      gold: labels of each sentence.
      said: what a net says of them.
      labels: what the numbers stand for.
      rows: which sentences count; all if not given.
    """
    rows = range(len(gold)) if rows is None else rows
    pairs = [(gold[row], [labels[n] for n in said.labels[row]]) for row in rows]
    count = sum(len(theirs) for theirs, _ in pairs)
    right = sum(a == b for theirs, ours in pairs for a, b in zip(theirs, ours, strict=True))
    nats = {"nats": float(sum(said.nats[row] for row in rows) / count)}
    accuracy = {"accuracy_percent": 100 * right / count}
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


def top_layer(net: Labeller):
    """(params, vectors, batch) -> what the last layer gives out, [B, T, width]; compiled."""

    @jax.jit
    def hidden(params, vectors, batch: Batch):
        return jnp.moveaxis(net.logits(params, vectors, batch)[1][-1], 0, 1)

    return hidden

"""Spans in B/I/O labels, and the two ways in which they are scored.

A label is O, or B or I with a type behind it or without: B-NP, I. A span begins at a B, at an I
after an O, and at an I of another type than the one before; it ends where another begins or at O.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Words [start, end) of a sentence, and the type of their label; empty where it has none."""

    start: int
    end: int
    type: str


def are_spans(labels: Iterable[str]) -> bool:
    """Whether labels are of spans: all O, B, I, B-... or I-..., and not O alone."""
    labels = set(labels)
    return labels - {"O"} != set() and all(
        label == "O" or label.partition("-")[0] in ("B", "I") for label in labels
    )


def spans_of(labels: Sequence[str]) -> list[Span]:
    """The spans of a sentence's labels, in order."""
    found, start, kind = [], None, ""
    for at, label in enumerate([*labels, "O"]):
        mark, _, type_ = label.partition("-")
        if start is not None and (mark != "I" or type_ != kind):
            found.append(Span(start, at, kind))
            start = None
        if mark != "O" and start is None:
            start, kind = at, type_
    return found


class Score(NamedTuple):
    """Precision and recall as shares from 0 to 1."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Their harmonic mean; 0 where both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def _score(hit_predicted: float, predicted: int, hit_gold: float, gold: int) -> Score:
    return Score(
        hit_predicted / predicted if predicted else 1.0, hit_gold / gold if gold else 1.0
    )


Pairs = Iterable[tuple[Sequence[str], Sequence[str]]]  # (gold, predicted) labels of each sentence


def exact(pairs: Pairs) -> Score:
    """Strict spans, as conlleval counts: right where start, end and type are (CoNLL-2000)."""
    right = predicted = gold = 0
    for theirs, ours in pairs:
        a, b = set(spans_of(theirs)), set(spans_of(ours))
        right, predicted, gold = right + len(a & b), predicted + len(b), gold + len(a)
    return _score(right, predicted, right, gold)


def overlap(pairs: Pairs) -> tuple[Score, Score]:
    """Soft measures of opinion expressions, as Irsoy and Cardie's code counts: micro-averages.

    Returns:
      Proportional overlap: for every pair of a gold span a and a predicted one b that share o
      words, o / |b| counts for the precision and o / |a| for the recall. Binary overlap: each b
      that meets some a counts once for the precision, each a that meets some b once for the
      recall. The precision of no prediction is 1.
    """
    shares = [0.0, 0.0]
    met = [0, 0]
    totals = [0, 0]
    for theirs, ours in pairs:
        gold, predicted = spans_of(theirs), spans_of(ours)
        common = [[max(0, min(a.end, b.end) - max(a.start, b.start)) for b in predicted]
                  for a in gold]  # fmt: skip
        totals[0] += len(predicted)
        totals[1] += len(gold)
        for a, row in zip(gold, common, strict=True):
            shares[0] += sum(o / (b.end - b.start) for o, b in zip(row, predicted, strict=True))
            shares[1] += sum(row) / (a.end - a.start)
            met[1] += any(row)
        met[0] += sum(any(column) for column in zip(*common, strict=True))
    return (
        _score(shares[0], totals[0], shares[1], totals[1]),
        _score(met[0], totals[0], met[1], totals[1]),
    )

"""Spans encoded as labels, and two ways of scoring them.

A label is O, or a mark with or without a type: B-NP, I. All usual encodings are read:

    B I O         IOB1 and IOB2 (BIO)
    B I E S O     IOBES; also with M for I and W for S (BMES, BMEWO)
    B I L U O     BILOU

As in conlleval, a span begins at B, S, U or W, at any mark that follows O, E, L, S, U or W, and
where the type changes; it ends where another span begins or at an O.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """The words [start, end) of a sentence, and the type of the span ("" if it has none)."""

    start: int
    end: int
    type: str


BEGIN, END = frozenset("BSUW"), frozenset("ELSUW")  # marks of the first and last word of a span
MARKS = BEGIN | END | frozenset("IM")


def is_span_label(label: str) -> bool:
    """Whether a label is O, or a known mark with or without a type."""
    return label == "O" or label.partition("-")[0] in MARKS


def are_spans(labels: Iterable[str]) -> bool:
    """Whether labels encode spans: all are marks with or without types, and not all are O."""
    labels = set(labels)
    return labels - {"O"} != set() and all(map(is_span_label, labels))


def spans_of(labels: Sequence[str]) -> list[Span]:
    """The spans that a sentence's labels encode, in order."""
    found, start, last, kind = [], None, "O", ""
    for at, label in enumerate([*labels, "O"]):
        mark, _, type_ = label.partition("-")
        begins = mark != "O" and (mark in BEGIN or last == "O" or last in END or type_ != kind)
        if start is not None and (mark == "O" or begins):
            found.append(Span(start, at, kind))
            start = None
        if begins:
            start = at
        last, kind = mark, type_
    return found


class Score(NamedTuple):
    """Precision and recall, from 0 to 1; 0 if nothing is predicted or there is nothing to find."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 if both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def _score(hit_predicted: float, predicted: int, hit_gold: float, gold: int) -> Score:
    return Score(
        hit_predicted / predicted if predicted else 0.0, hit_gold / gold if gold else 0.0
    )


Pairs = Iterable[tuple[Sequence[str], Sequence[str]]]  # (gold, predicted) labels of each sentence


def exact(pairs: Pairs) -> Score:
    """Exact match, as in conlleval: start, end and type must all be right (CoNLL-2000)."""
    right = predicted = gold = 0
    for gold_labels, predicted_labels in pairs:
        a, b = set(spans_of(gold_labels)), set(spans_of(predicted_labels))
        right, predicted, gold = right + len(a & b), predicted + len(b), gold + len(a)
    return _score(right, predicted, right, gold)


def overlap(pairs: Pairs) -> tuple[Score, Score]:
    """Soft measures for opinion expressions, as in Irsoy and Cardie's code; micro-averaged.

    Returns:
      Proportional overlap: every pair of a gold span a and a predicted span b that share o words
      adds o / |b| to the precision and o / |a| to the recall. Binary overlap: each b that
      overlaps some a counts once for the precision, each a that overlaps some b once for the
      recall.
    """
    shares = [0.0, 0.0]
    overlapping = [0, 0]
    totals = [0, 0]
    for gold_labels, predicted_labels in pairs:
        gold, predicted = spans_of(gold_labels), spans_of(predicted_labels)
        common = [[max(0, min(a.end, b.end) - max(a.start, b.start)) for b in predicted]
                  for a in gold]  # fmt: skip
        totals[0] += len(predicted)
        totals[1] += len(gold)
        for a, row in zip(gold, common, strict=True):
            shares[0] += sum(o / (b.end - b.start) for o, b in zip(row, predicted, strict=True))
            shares[1] += sum(row) / (a.end - a.start)
            overlapping[1] += any(row)
        overlapping[0] += sum(any(column) for column in zip(*common, strict=True))
    return (
        _score(shares[0], totals[0], shares[1], totals[1]),
        _score(overlapping[0], totals[0], overlapping[1], totals[1]),
    )

"""The errors of an image classifier: its confusion matrix and the misclassified images."""

from collections.abc import Sequence

import numpy as np

from data.images import Images
from experiments.reports import drawing
from experiments.reports.page import Cell, Picture, Section, Table

MAX_IMAGES = 100  # misclassified images shown
MAX_CLASSES = 40  # of a confusion matrix that is still legible


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: Sequence[str]) -> Section:
    """How often each class was predicted as each; classes that do not come at all are left out.

    Args:
      labels, predictions: int [N].
      classes: names by label.
    """
    found = np.union1d(labels, predictions)
    if len(found) > MAX_CLASSES:
        return Section("Confusion matrix", (f"Omitted: there are {len(found)} classes.",))
    counts = np.zeros((len(found), len(found)), int)
    np.add.at(counts, (np.searchsorted(found, labels), np.searchsorted(found, predictions)), 1)
    classes = [classes[code] for code in found]
    worst = max((counts - np.diag(counts.diagonal())).max(), 1)
    rows = [
        (name, *(confusion_cell(i == j, count, row.sum(), worst) for j, count in enumerate(row)),
         f"{100 * row[i] / row.sum():.1f}" if row.sum() else "")
        for i, (name, row) in enumerate(zip(classes, counts, strict=True))
    ]  # fmt: skip
    text = ("Rows are the labels, columns the predictions of the net.",)
    table = Table(("", *classes, "correct (%)"), rows, "l" + "c" * len(classes) + "r")
    return Section("Confusion matrix", text, table)


def confusion_cell(correct: bool, count: int, total: int, worst: int) -> Cell | str:
    """A count with a background; empty for 0."""
    if not count:
        return ""
    strength = count / total if correct else 0.2 + 0.8 * count / worst
    return Cell(f"{count:,}", "right" if correct else "wrong", strength)


def misclassified(test: Images, predictions: np.ndarray, classes: Sequence[str]) -> Section:
    """The misclassified images, each with its label and its prediction; `predictions` int [N]."""
    wrong = np.flatnonzero(predictions != test.labels)
    pictures = [
        Picture(drawing.tiles("", test.images[i][None], 0, 255),
                f"{classes[test.labels[i]]} → {classes[predictions[i]]}")
        for i in wrong[:MAX_IMAGES]
    ]  # fmt: skip
    limit = f"; the first {MAX_IMAGES} are shown" if len(wrong) > MAX_IMAGES else ""
    text = (f"{len(wrong):,} of {len(predictions):,} test images are misclassified{limit}.",
            "Below each image: label → prediction.")  # fmt: skip
    return Section("Misclassified images", text[: 1 + bool(pictures)], pictures=pictures)

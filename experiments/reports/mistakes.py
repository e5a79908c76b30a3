"""Where a classifier of images errs: the confusion matrix, and the images it read wrongly."""

from collections.abc import Sequence

import numpy as np

from data.images import Images
from experiments.reports import drawing
from experiments.reports.page import Cell, Picture, Section, Table

MOST_WRONG = 100  # images that are shown
LARGEST_MATRIX = 40  # classes


def confusion(labels: np.ndarray, read: np.ndarray, classes: Sequence[str]) -> Section:
    """How often each class was read as each.

    Args:
      labels, read: int [N].
      classes: names by label.
    """
    if len(classes) > LARGEST_MATRIX:
        return Section("Confusion matrix", (f"Left out: {len(classes)} classes.",))
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (labels, read), 1)
    worst = max((counts - np.diag(counts.diagonal())).max(), 1)
    rows = [
        (name, *(confusion_cell(i == j, count, row.sum(), worst) for j, count in enumerate(row)),
         f"{100 * row[i] / row.sum():.1f}" if row.sum() else "")
        for i, (name, row) in enumerate(zip(classes, counts, strict=True))
    ]  # fmt: skip
    text = ("Rows are the labels, columns what the net read.",)
    table = Table(("", *classes, "right (%)"), rows, "l" + "c" * len(classes) + "r")
    return Section("Confusion matrix", text, table)


def confusion_cell(right: bool, count: int, total: int, worst: int) -> Cell | str:
    """A count; nothing where there is none."""
    if not count:
        return ""
    strength = count / total if right else 0.2 + 0.8 * count / worst
    return Cell(str(count), "right" if right else "wrong", strength)


def misread(test: Images, read: np.ndarray, classes: Sequence[str]) -> Section:
    """The wrongly read images with label and answer; `read` int [N]."""
    wrong = np.flatnonzero(read != test.labels)
    pictures = [
        Picture(drawing.tiles("", test.images[i][None], 0, 255),
                f"{classes[test.labels[i]]} → {classes[read[i]]}")
        for i in wrong[:MOST_WRONG]
    ]  # fmt: skip
    shown = f"; the first {MOST_WRONG} are shown" if len(wrong) > MOST_WRONG else ""
    text = (f"{len(wrong):,} of {len(read):,} test images were read wrongly{shown}.",
            "Below each: its label → what it was read as.")  # fmt: skip
    return Section("Wrongly read", text[: 1 + bool(pictures)], pictures=pictures)

"""The user's own tables: rows of numbers and a class, separated by commas, semicolons or tabs.

The first row names the columns, or there is no such row: it is taken for names unless one of its
cells is a number. The files of TensorFlow's tutorial begin with the numbers of rows and columns and
the names of the classes (`120,4,setosa,versicolor,virginica`), which is understood, too.
"""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.errors import UserError
from data.files import read_unpacked
from data.lines import lines_of
from data.tables import TEST, TRAIN, Table, random_parts

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")
MOST_CLASSES = 1000
SPLIT_SEED = 0  # the rows held out are the same for every seed


class _Rows(NamedTuple):
    """A file's cells below its header."""

    path: str
    names: tuple[str, ...]  # of the columns
    cells: list[list[str]]
    lines: Sequence[int]  # of the rows, in the file
    classes: tuple[str, ...]  # by label, if the first line names them
    named: bool  # whether the file names its columns


def load(
    path: str | Path, class_column: str = "", test: str | Path = "", test_percent: float = 20.0,
    valid_percent: float = 0.0,
) -> tuple[Table, np.ndarray]:
    """A table, and its parts int8 [N].

    Args:
      path: the file.
      class_column: the name of the column that holds the class, or its number from 1; empty: the
        last one. All other columns are numbers.
      test: a file of the rows to test on; empty: they are drawn from the table.
      test_percent, valid_percent: the share of the table's rows that is drawn.

    Raises:
      UserError: a file cannot be read, a row is of another length, a cell is missing or no number,
        there is no such column, fewer than two classes, or a part is empty.
    """
    rows = _read(path)
    column = _place(rows, class_column)
    inputs, words = _values(rows, column)
    parts = random_parts(len(words), *_counts(len(words), test_percent, valid_percent, bool(test)),
                         SPLIT_SEED)  # fmt: skip
    if test:
        others = _read(test)
        if len(others.names) != len(rows.names):
            raise UserError(f"{test} has {len(others.names)} columns and {path} {len(rows.names)}.")
        if rows.named and others.named and others.names != rows.names:
            raise UserError(
                f"{test} has the columns {', '.join(others.names[:20])}, and {path} "
                f"{', '.join(rows.names[:20])}; put them in the same order."
            )
        more, more_words = _values(others, column)
        inputs, words = np.concatenate([inputs, more]), words + more_words
        parts = np.concatenate([parts, np.full(len(more), TEST, np.int8)])
    classes, labels = _classes(rows, words, column)
    if len(set(labels[parts == TRAIN].tolist())) < 2:
        raise UserError(f"{path}: all rows for training are of one class; give rows of another.")
    untrained = set(labels.tolist()) - set(labels[parts == TRAIN].tolist())
    if untrained:
        raise UserError(
            f"{path}: no row for training is of class {classes[min(untrained)]!r}; give more rows "
            "of it, or none."
        )
    columns = tuple(name for n, name in enumerate(rows.names) if n != column)
    return Table(inputs, labels, columns, classes), parts


def _counts(size: int, test: float, valid: float, has_test: bool) -> tuple[int, int]:
    """How many of `size` rows are for validation, and for testing; raises UserError."""
    tests = 0 if has_test else math.ceil(size * test / 100)
    valids = math.ceil(size * valid / 100)
    if tests + valids >= size or not (tests or has_test):
        raise UserError(
            f"--test_percent={test:g} and --valid_percent={valid:g} of {size:,} rows leave none "
            f"for {'training' if tests else 'testing'}; give other percentages or more rows."
        )
    return valids, tests


def _read(path: str | Path) -> _Rows:
    lines = lines_of(read_unpacked(path, "give the path of a table"), str(path))
    numbered = _split(lines, str(path))
    places = [line for line, _ in numbered]
    cells = [[cell.strip() for cell in row] for _, row in numbered]
    if len(cells) < 2 or len(cells[0]) < 2:
        raise UserError(
            f"{path} is no table of two rows and two columns at least, separated by commas, "
            "semicolons or tabs."
        )
    numbers = tuple(str(n) for n in range(1, len(cells[1]) + 1))
    rows = _Rows(str(path), numbers, cells, places, (), False)
    below = rows._replace(cells=cells[1:], lines=places[1:])
    if _is_tutorial(cells):
        rows = below._replace(classes=tuple(cells[0][2:]))
    elif not any(_number(cell) is not None for cell in cells[0]):
        rows = below._replace(names=tuple(cells[0]), named=True)
    for line, row in zip(rows.lines, rows.cells, strict=True):
        if len(row) != len(rows.names):
            raise UserError(
                f"{path}, row {line} has {len(row)} cells, and others have {len(rows.names)}."
            )
    return rows


def _split(lines: list[str], name: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its line; raises UserError."""
    first = next((line for line in lines if line.strip()), "")
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count))
    try:
        return [(reader.line_num, row) for row in reader if len(row) > 1 or "".join(row).strip()]
    except csv.Error as error:
        raise UserError(f"{name} is no table ({error}).") from None


def _is_tutorial(cells: list[list[str]]) -> bool:
    first, counts = cells[0], (str(len(cells) - 1), str(len(cells[1]) - 1))
    return tuple(first[:2]) == counts and len(first) > 2


def _place(rows: _Rows, column: str) -> int:
    """The place of the column of the class; raises UserError."""
    if not column:
        return len(rows.names) - 1
    if column in rows.names:
        if rows.names.count(column) > 1:
            raise UserError(f"{rows.path} has several columns {column}; give its number.")
        return rows.names.index(column)
    if column.isdecimal() and 1 <= int(column) <= len(rows.names):
        return int(column) - 1
    raise UserError(
        f"--class_column={column}: {rows.path} has no such column; choose one of "
        f"{', '.join(rows.names[:20])}."
    )


def _values(rows: _Rows, column: int) -> tuple[np.ndarray, list[str]]:
    """The numbers float32 [N, D] and the classes' names [N]; raises UserError."""
    inputs = [
        [_checked(rows, n, place) for place in range(len(row)) if place != column]
        for n, row in enumerate(rows.cells)
    ]
    words = [row[column] for row in rows.cells]
    for n, word in enumerate(words):
        if word.lower() in MISSING:
            raise UserError(f"{_where(rows, n, column)} is missing; fill it in or drop the row.")
    return np.array(inputs, np.float32), words


def _checked(rows: _Rows, n: int, place: int) -> float:
    cell = rows.cells[n][place]
    value = _number(cell)
    if cell.lower() in MISSING:
        raise UserError(f"{_where(rows, n, place)} is missing; fill it in or drop the row.")
    if value is None:
        raise UserError(
            f"{_where(rows, n, place)} is {cell[:40]!r}, no number; write a number, drop the "
            "column, or name the class's column with --class_column."
        )
    return value


def _where(rows: _Rows, n: int, place: int) -> str:
    return f"{rows.path}, row {rows.lines[n]}, column {rows.names[place]}"


def _number(cell: str) -> float | None:
    """A cell's number; None if it is none, or larger than float32 holds."""
    try:
        value = float(cell.replace("_", "?"))  # Python reads 1_0 as 10
    except ValueError:
        return None
    return value if abs(value) < float(np.finfo(np.float32).max) else None


def _classes(rows: _Rows, words: list[str], column: int) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes' names by label, and the labels; raises UserError."""
    counts = Counter(words)
    if len(counts) > min(MOST_CLASSES, len(words) // 2):
        raise UserError(
            f"{rows.path}: column {rows.names[column]} has {len(counts):,} different values in "
            f"{len(words):,} rows, too many for classes; name another with --class_column."
        )
    numbers = [_number(word) for word in counts]
    order = sorted(counts) if None in numbers else sorted(counts, key=float)
    label_of = {word: label for label, word in enumerate(order)}
    labels = np.array([label_of[word] for word in words], np.int32)
    if rows.classes and order == [str(n) for n in range(len(rows.classes))]:
        return rows.classes, labels
    return tuple(order), labels

"""Synthetic sequences with long time lags between what must be remembered and where it is used.

    adding   Hochreiter and Schmidhuber 1997, experiment 4: add the two marked numbers
    order    the same paper, experiment 6a: the temporal order of two symbols, each X or Y
    copy     the same idea in the form of Arjovsky, Shah and Bengio 2016: repeat ten symbols

B sequences of at most T steps, with the batch axis first, along which the loop splits batches over
devices.
"""

from typing import NamedTuple

import numpy as np


class Sequences(NamedTuple):
    """Inputs with their lengths and targets."""

    inputs: np.ndarray  # float32 [B, T, D], or int32 [B, T] for one-hot vectors; 0 after the end
    lengths: np.ndarray  # int32 [B]
    targets: np.ndarray  # float32 [B] (adding), int32 [B] classes (order) or int32 [B, T] (copy)


def longest(task: str, length: int) -> int:
    """T, the maximal length of a task's sequences, for the nominal length `length`."""
    return length + 20 if task == "copy" else length + length // 10


def adding(random: np.random.Generator, count: int, length: int) -> Sequences:
    """Pairs (number, marker) with numbers from U[-1, 1]; the target is 0.5 + (X1 + X2) / 4.

    The marker is 1 at X1, one of the first ten pairs, and at X2, one of the first length/2 - 1
    remaining pairs; -1 at the first and the last pair; 0 elsewhere. If X1 is the first pair, its
    number is set to 0, as in the paper. Lengths are uniform in [length, 1.1 length].
    """
    steps, rows = longest("adding", length), np.arange(count)
    lengths = random.integers(length, steps + 1, count).astype(np.int32)
    inputs = np.zeros((count, steps, 2), np.float32)
    inputs[..., 0] = random.uniform(-1, 1, (count, steps))
    inputs[:, 0, 1] = inputs[rows, lengths - 1, 1] = -1
    first = random.integers(0, 10, count)
    second = random.integers(0, length // 2 - 2, count)
    second += second >= first  # any but the first
    inputs[first == 0, 0, 0] = inputs[second == 0, 0, 0] = 0
    numbers = inputs[rows, first, 0] + inputs[rows, second, 0]
    inputs[rows, first, 1] = inputs[rows, second, 1] = 1
    inputs[np.arange(steps) >= lengths[:, None]] = 0
    return Sequences(inputs, lengths, (0.5 + numbers / 4).astype(np.float32))


# The symbols of the order task: distractors a, b, c, d (0 to 3), then X, Y, the first symbol E and
# the last symbol B.
_X, _Y, _E, _B = 4, 5, 6, 7


def order(random: np.random.Generator, count: int, length: int) -> Sequences:
    """E, distractors with X or Y at t1 and at t2, then B; the classes are XX, XY, YX and YY.

    t1 is uniform in [length/10, length/5], t2 in [length/2, 3 length/5], lengths in
    [length, 1.1 length]: [10, 20], [50, 60] and [100, 110] in the paper.
    """
    steps, rows = longest("order", length), np.arange(count)
    lengths = random.integers(length, steps + 1, count).astype(np.int32)
    inputs = random.integers(0, 4, (count, steps)).astype(np.int32)
    classes = random.integers(0, 4, count).astype(np.int32)
    places = (
        random.integers(length // 10, length // 5 + 1, count),
        random.integers(length // 2, length * 3 // 5 + 1, count),
    )
    inputs[rows, places[0]], inputs[rows, places[1]] = _X + classes // 2, _X + classes % 2
    inputs[:, 0], inputs[rows, lengths - 1] = _E, _B
    inputs[np.arange(steps) >= lengths[:, None]] = 0
    return Sequences(inputs, lengths, classes)


def copy(random: np.random.Generator, count: int, length: int) -> Sequences:
    """Ten symbols from 1 to 8, length - 1 blanks (0), a 9, ten blanks: length + 20 steps.

    The targets are blanks, and at the last ten steps the ten symbols. Without memory the lowest
    loss is 10 ln 8 / (length + 20) nats per step.
    """
    steps = longest("copy", length)
    symbols = random.integers(1, 9, (count, 10))
    inputs, targets = np.zeros((2, count, steps), np.int32)
    inputs[:, :10], inputs[:, length + 9] = symbols, 9
    targets[:, -10:] = symbols
    return Sequences(inputs, np.full(count, steps, np.int32), targets)

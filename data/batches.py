"""Batches as pure functions of (seed, step), and evaluation sets cut into equal batches.

The stream of training examples is one pass over the set after another, each in its own random
order. Batch `n` holds examples n * batch_size to (n + 1) * batch_size of that stream: a batch may
straddle two passes, nothing is ever dropped, and a run that resumes at any step draws what an
uninterrupted run would have drawn, without saving any state.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

import numpy as np

from data.errors import UserError

Arrays = TypeVar("Arrays", bound=tuple)


@lru_cache(maxsize=2)  # blocks of steps visit a pass many times, but never more than two at once
def _order_of_pass(seed: int, number: int, size: int) -> np.ndarray:
    order = np.random.default_rng([seed, number]).permutation(size).astype(np.int32)
    order.setflags(write=False)  # the cache hands the same array to every caller
    return order


def batch_indices(
    seed: int, first_step: int, num_steps: int, batch_size: int, size: int
) -> np.ndarray:
    """The indices of the examples that steps first_step, first_step + 1, ... train on.

    Args:
      seed: seed of the shuffling; not negative.
      first_step: number of the first step, from 0.
      num_steps: number of steps.
      batch_size: examples per step; may exceed `size`.
      size: number of examples in the training set.

    Returns:
      int32 [num_steps, batch_size], each entry in [0, size). The result does not depend on how
      the steps are split into calls.

    Raises:
      UserError: the set is empty, or the batch size or the seed is out of range.
    """
    if size < 1:
        raise UserError("The training set is empty; give it at least one example.")
    if batch_size < 1:
        raise UserError(f"The batch size is {batch_size}; make it 1 or more.")
    if seed < 0:
        raise UserError(f"The seed is {seed}; make it 0 or more.")
    start, stop = first_step * batch_size, (first_step + num_steps) * batch_size
    pieces = [np.empty(0, np.int32)]
    while start < stop:
        number, offset = divmod(start, size)
        piece = _order_of_pass(seed, number, size)[offset : offset + stop - start]
        pieces.append(piece)
        start += len(piece)
    return np.concatenate(pieces).reshape(num_steps, batch_size)


def windows(
    text: np.ndarray, first_step: int, num_steps: int, batch_size: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """The windows of running text that steps first_step, first_step + 1, ... read.

    The text is laid out in `batch_size` rows of equal length. In each row a step continues where
    the previous step stopped, so that a net can carry its state from step to step. A pass ends
    when no whole window is left; the few symbols after it are not read.

    Args:
      text: codes [N].
      first_step: number of the first step, from 0.
      num_steps: number of steps.
      batch_size: number of rows.
      length: symbols that a net reads per step; it predicts the symbol after each.

    Returns:
      Codes int32 [num_steps, batch_size, length + 1], of which the first `length` are inputs and
      the last `length` targets; and bool [num_steps, batch_size], true where a row starts over.

    Raises:
      UserError: the text is too short for one step.
    """
    per_pass = windows_in_a_pass(len(text), batch_size, length)
    rows = text[: len(text) // batch_size * batch_size].reshape(batch_size, -1)
    numbers = np.arange(first_step, first_step + num_steps) % per_pass
    places = numbers[:, None] * length + np.arange(length + 1)
    begins = np.repeat(numbers[:, None] == 0, batch_size, axis=1)
    return rows[:, places].transpose(1, 0, 2).astype(np.int32), begins


def windows_in_a_pass(size: int, batch_size: int, length: int) -> int:
    """The number of steps of `windows` in one pass over `size` symbols; raises the same error."""
    count = (size // batch_size - 1) // length
    if count < 1:
        raise UserError(
            f"The training part of the text has {size:,} symbols, but one step needs "
            f"{batch_size * (length + 1):,} (batch size {batch_size} times unroll + 1 = "
            f"{length + 1}); give a longer text, or a smaller --batch_size or --unroll."
        )
    return count


def padded_batches(arrays: Arrays, batch_size: int) -> Iterator[tuple[Arrays, np.ndarray]]:
    """Cuts an evaluation set into equal batches, the last one padded with zeros.

    Args:
      arrays: a tuple or NamedTuple of arrays [N, ...] of the same length.
      batch_size: examples per batch.

    Yields:
      (a tuple of the same type with arrays [batch_size, ...]; mask float32 [batch_size], 1 for an
      example and 0 for padding). Every example appears exactly once, in order.

    Raises:
      UserError: the batch size is below 1.
    """
    if batch_size < 1:
        raise UserError(f"The batch size is {batch_size}; make it 1 or more.")
    size = len(arrays[0])
    for start in range(0, size, batch_size):
        count = min(batch_size, size - start)
        cut = [_padded(array[start : start + count], batch_size) for array in arrays]
        mask = (np.arange(batch_size) < count).astype(np.float32)
        yield (type(arrays)(*cut) if hasattr(arrays, "_fields") else tuple(cut)), mask


def _padded(array: np.ndarray, length: int) -> np.ndarray:
    if len(array) == length:
        return array
    return np.pad(array, [(0, length - len(array))] + [(0, 0)] * (array.ndim - 1))

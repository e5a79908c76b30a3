"""Bucketing: batches of sequences of similar length, so that little is padded.

    lengths = np.array([len(sequence) for sequence in sequences])     [N], or [N, 2] for pairs
    shapes = bucket_shapes(lengths)                 the few lengths that batches are padded to
    buckets = Buckets(lengths, shapes, batch_size, seed)
    buckets.steps_of_one_shape(step, 10)            how many of the next 10 steps share a shape
    bucket, rows = buckets.rows(step, count)        the sequences of `count` steps: [count, B]
    ragged.padded(rows, shapes[bucket])             their entries [count, B, T], and the mask

Each step reads one batch from one bucket. Both are pure functions of (seed, step), as in
`data.batches`: they depend neither on how many steps a call to the device makes nor on where a
run resumed. Each shape is compiled once, so a run compiles as many programs as it has buckets.
Pass the lengths of all splits to `bucket_shapes` together, so that evaluation uses the same
shapes: `covering` cuts a split into batches that contain every sequence once.

A bucket with fewer sequences than a batch has smaller batches. A step's gradient should therefore
be a sum over its sequences, divided by something that is the same for every step.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from data.batches import batch_indices
from data.errors import UserError

WASTE, SLACK = 0.2, 0.02  # padding allowed per real entry of a bucket, and of all buckets


def bucket_shapes(
    lengths: np.ndarray, waste: float = WASTE, slack: float = SLACK
) -> np.ndarray:
    """The lengths to pad sequences to: as few as keep the padding small.

    Starting from the longest sequences, a bucket takes in shorter ones as long as its padding is
    at most `waste` times its real entries, or at most `slack` times the entries of all buckets:
    rare or very short lengths are not worth compiling a program for.

    Args:
      lengths: [N], or [N, C] for C parallel sequences, each padded to its own length, such as a
        sentence and its translation.
      waste, slack: the largest shares of padding; a bucket of a single length may exceed them.

    Returns:
      [K, C], from the shortest to the longest, each at least 1.

    Raises:
      UserError: there are no sequences.
    """
    lengths = np.maximum(_columns(lengths), 1)
    longest = lengths.max(1)
    order = np.argsort(-longest, kind="stable")
    lengths, longest = lengths[order], longest[order]
    last = np.append(longest[1:] != longest[:-1], True)  # a bucket takes all of a length or none
    shapes, first = [], 0
    while first < len(lengths):
        rest = lengths[first:]
        padded = np.maximum.accumulate(rest).sum(1) * np.arange(1, len(rest) + 1)
        real = rest.sum(1).cumsum()
        ends = np.flatnonzero(last[first:])
        padding = (padded - real)[ends]
        fitting = ends[(padding <= waste * real[ends]) | (padding <= slack * lengths.sum())]
        end = (fitting[-1] if len(fitting) else ends[0]) + 1
        shapes.append(rest[:end].max(0))
        first += end
    return np.array(shapes[::-1])


def bucket_of(lengths: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The smallest bucket that each sequence fits into, int [N]; ValueError if there is none."""
    fits = (_columns(lengths)[:, None] <= shapes).all(-1)  # [N, K]
    if not fits.any(1).all():
        raise ValueError("a sequence is longer than every bucket")
    return fits.argmax(1)


def _columns(lengths: np.ndarray) -> np.ndarray:
    lengths = np.asarray(lengths)
    if not len(lengths):
        raise UserError("There are no sequences to make batches of; give at least one.")
    return lengths.reshape(len(lengths), -1)


class Buckets:
    """Which sequences each step of a training run reads.

    In each pass every bucket gets as many steps as it has whole batches. Sequences that do not
    fill a batch start the bucket's next pass, so that in the long run all sequences are read
    equally often and none is left out.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        shapes: np.ndarray,
        batch_size: int,
        seed: int,
        *,
        stretch: int = 4,
        multiple: int = 1,
    ):
        """
        Args:
          lengths: lengths of the training sequences, [N] or [N, C].
          shapes: from `bucket_shapes`.
          batch_size: sequences per step; a smaller bucket gives all it has.
          seed: seed of the shuffling.
          stretch: number of consecutive steps that read the same bucket, so that one call to the
            device can make them.
          multiple: batch sizes are multiples of this (the number of devices), if `batch_size` is.
        """
        if batch_size < 1:
            raise UserError(f"The batch size is {batch_size}; make it 1 or more.")
        found = bucket_of(lengths, shapes)
        self._members = [np.flatnonzero(found == k) for k in range(len(shapes))]
        self._sizes = np.array([len(rows) for rows in self._members])
        self._batches = np.clip(-(-self._sizes // multiple) * multiple, 1, batch_size)
        self._seed, self._stretch = seed, stretch
        self._schedule = lru_cache(maxsize=2)(self._schedule_of_pass)

    @cached_property
    def steps_in_a_pass(self) -> float:
        """The average number of steps in which as many sequences are read as there are."""
        return float((self._sizes / self._batches).sum())

    def steps_of_one_shape(self, first: int, count: int) -> int:
        """How many steps from `first` on, at most `count`, read the same bucket."""
        bucket, n = self._step(first)[0], 1
        while n < count and self._step(first + n)[0] == bucket:
            n += 1
        return n

    def rows(self, first: int, count: int) -> tuple[int, np.ndarray]:
        """The bucket that `count` steps from `first` on all read, and its rows int [count, B]."""
        steps = [self._step(first + n) for n in range(count)]
        (bucket,) = {bucket for bucket, _ in steps}
        size, members = int(self._batches[bucket]), self._members[bucket]
        places = [batch_indices(self._seed, n, 1, size, len(members)) for _, n in steps]
        return bucket, members[np.concatenate(places)]

    def _step(self, step: int) -> tuple[int, int]:
        """The bucket that a step reads, and the number of the batch within the bucket."""
        number = int(step / self.steps_in_a_pass)
        while self._before(number).sum() > step:
            number -= 1
        while self._before(number + 1).sum() <= step:
            number += 1
        buckets, batches = self._schedule(number)
        place = step - self._before(number).sum()
        return int(buckets[place]), int(batches[place])

    def _before(self, number: int) -> np.ndarray:
        """The number of batches of each bucket before pass `number`, [K]."""
        return number * self._sizes // self._batches

    def _schedule_of_pass(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The bucket and the batch number of each step of a pass."""
        begin, end = self._before(number), self._before(number + 1)
        stretches = [
            [(k, n) for n in range(at, min(at + self._stretch, end[k]))]
            for k in range(len(end))
            for at in range(begin[k], end[k], self._stretch)
        ]
        order = np.random.default_rng([self._seed, number]).permutation(len(stretches))
        steps = [step for place in order for step in stretches[place]]
        buckets, batches = zip(*steps, strict=True)
        return np.array(buckets), np.array(batches)


def covering(
    lengths: np.ndarray, shapes: np.ndarray, batch_size: int
) -> Iterator[tuple[int, np.ndarray, int]]:
    """Cuts an evaluation set into batches, bucket by bucket.

    Yields:
      (bucket, rows int [B], count): each sequence is among the first `count` rows of exactly one
      batch; the remaining rows repeat the last one and must not be counted.
    """
    found = bucket_of(lengths, shapes)
    for bucket in range(len(shapes)):
        members = np.flatnonzero(found == bucket)
        size = min(batch_size, len(members))
        for at in range(0, len(members), size or 1):
            rows = members[at : at + size]
            yield bucket, np.pad(rows, (0, size - len(rows)), mode="edge"), len(rows)


class Ragged(NamedTuple):
    """Sequences of unequal length, concatenated."""

    entries: np.ndarray  # [sum of the lengths, ...]
    starts: np.ndarray  # [N]
    lengths: np.ndarray  # [N]

    @classmethod
    def of(cls, sequences, dtype) -> "Ragged":
        """From a list of sequences of numbers."""
        return cls.cut(np.fromiter(chain.from_iterable(sequences), dtype), map(len, sequences))

    @classmethod
    def cut(cls, entries: np.ndarray, lengths: Iterable[int]) -> "Ragged":
        """From the entries of all sequences, [sum of the lengths, ...]."""
        lengths = np.fromiter(lengths, int)
        return cls(entries, np.cumsum(lengths) - lengths, lengths)

    def __getitem__(self, row: int) -> np.ndarray:
        """One sequence, [T, ...]."""
        return self.entries[self.starts[row] : self.starts[row] + self.lengths[row]]

    def select(self, rows: np.ndarray) -> "Ragged":
        """Some of the sequences; the entries are shared."""
        return Ragged(self.entries, self.starts[rows], self.lengths[rows])

    def padded(self, rows: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The sequences padded with zeros, [..., length, ...], and the mask [..., length].

        `rows` may have any shape; no sequence may be longer than `length`.
        """
        steps = np.arange(length)
        mask = steps < self.lengths[rows][..., None]
        places = np.where(mask, self.starts[rows][..., None] + steps, 0)
        kept = mask.reshape(mask.shape + (1,) * (self.entries.ndim - 1))
        if not len(self.entries):
            return np.zeros(mask.shape, self.entries.dtype), mask
        return np.where(kept, self.entries[places], 0).astype(self.entries.dtype), mask

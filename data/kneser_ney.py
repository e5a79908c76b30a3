"""The n-gram model to beat: interpolated Kneser-Ney with three discounts, by counting.

    p(w | c) = (a(c w) - D(a(c w))) / sum_v a(c v) + g(c) p(w | c without its first word)

g(c) is what the discounts have taken away, so that the p(w | c) sum to 1; the shortest one, of no
context, falls back on 1 / V. The longest n-grams are counted: a is how often c w occurs. Of the
shorter ones a is the number of different words that c w occurs after, since a word that only ever
follows one other is no likely guess after a third (Kneser and Ney 1995). D has a value for each
of a = 1, 2 and 3 or more (Chen and Goodman 1999, equation 17). Every sentence begins with a mark
that is never predicted; an n-gram that begins with it is counted as the longest ones are.
"""

from typing import NamedTuple

import numpy as np

ORDER = 5
_DISCOUNTS = (0.5, 1.0, 1.5)  # for a text too small to estimate them from


class _Order(NamedTuple):
    """The n-grams of one length; a context is the number of an n-gram that is one shorter."""

    keys: np.ndarray  # int64 [types], sorted: context * base + word
    shares: np.ndarray  # [types], the first term of p
    rests: np.ndarray  # [contexts], g; 1 where nothing follows the context


class KneserNey:
    """The model of a text; `probabilities` is what it says of another one."""

    def __init__(self, train: np.ndarray, size: int, end: int, order: int = ORDER):
        """Counts.

        Args:
          train: codes [N], each in [0, size).
          size: V, how many words there are.
          end: the code that ends a sentence.
          order: the length of the longest n-grams, 2 or more.
        """
        self._size, self._end, self._base = size, end, size + 1
        stream, offset = self._sentences(train)
        numbers, raw = stream, np.bincount(stream, minlength=size + 1)
        keys, begins = np.arange(size + 1), np.arange(size + 1) == size
        self._orders: list[_Order] = []
        for n in range(1, order + 1):
            if n == order:
                self._add(keys, raw)
                break
            where = np.flatnonzero(offset >= n)  # an n-gram of n + 1 words ends here
            longer, first, inverse, counts = np.unique(
                numbers[where - 1] * self._base + stream[where],
                return_index=True, return_inverse=True, return_counts=True,
            )  # fmt: skip
            after = np.bincount(numbers[where[first]], minlength=len(keys))
            # nothing stands before the mark; alone, it is not predicted
            self._add(keys, np.where(begins, raw if n > 1 else 0, after))
            begins = offset[where[first]] == n
            numbers = np.full(len(stream), -1)
            numbers[where] = inverse
            keys, raw = longer, counts

    def _sentences(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The codes with the mark `size` before each sentence, and the place in the sentence."""
        starts = np.flatnonzero(codes[:-1] == self._end) + 1
        stream = np.insert(codes.astype(np.int64), np.append(0, starts), self._size)
        places = np.arange(len(stream))
        return stream, places - np.maximum.accumulate(np.where(stream == self._size, places, 0))

    def _add(self, keys: np.ndarray, counts: np.ndarray) -> None:
        """One order more: its n-grams and how often each counts."""
        contexts = keys // self._base
        size = len(self._orders[-1].keys) if self._orders else 1
        discounts = np.array([0, *_discounts(counts)])[np.minimum(counts, 3)]
        totals = np.bincount(contexts, counts, size)
        taken = np.bincount(contexts, discounts, size)
        rests = np.divide(taken, totals, out=np.ones(size), where=totals > 0)
        shares = (counts - discounts) / totals[contexts]
        self._orders.append(_Order(keys, shares, rests))

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """p of every word but the first, float64 [N - 1], of codes [N].

        The first word ends the sentence before; the context of each is its own sentence.
        """
        stream, offset = self._sentences(codes[1:])
        _, shares, rests = self._orders[0]
        p = shares[stream] + rests[0] / self._size
        numbers = stream
        for n, (keys, shares, rests) in enumerate(self._orders[1:], 1):
            where = np.flatnonzero(offset >= n)
            where = where[numbers[where - 1] >= 0]  # the context occurs in the training text
            contexts = numbers[where - 1]
            wanted = contexts * self._base + stream[where]
            found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            seen = keys[found] == wanted
            p[where] = rests[contexts] * p[where] + np.where(seen, shares[found], 0)
            numbers = np.full(len(stream), -1)
            numbers[where[seen]] = found[seen]
        return p[stream != self._size]


def _discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """D(1), D(2) and D(3 or more), by how many n-grams count once, twice, 3 and 4 times."""
    one, two, three, four = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not (one and two and three and four):
        return _DISCOUNTS
    y = one / (one + 2 * two)
    found = 1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three
    return tuple(np.clip(found, 0, (1, 2, 3)))

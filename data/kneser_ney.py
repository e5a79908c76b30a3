"""The n-gram baseline: interpolated Kneser-Ney smoothing with three discounts.

    p(w | c) = (a(c w) - D(a(c w))) / sum_v a(c v) + g(c) p(w | c without its first word)

g(c) is the mass that the discounts have freed, so that the p(w | c) sum to 1; the distribution
without context backs off to 1 / V. For the longest n-grams, a is how often c w occurs. For shorter
ones, a is the number of distinct words that precede c w, since a word that only ever follows one
particular word is unlikely after another (Kneser and Ney 1995). D has one value each for a = 1, 2
and 3 or more (Chen and Goodman 1999, equation 17). Every sentence begins with a start symbol that
is never predicted; n-grams that begin with it are counted like the longest ones.
"""

from typing import NamedTuple

import numpy as np

ORDER = 5
_DISCOUNTS = (0.5, 1.0, 1.5)  # for texts too small to estimate them


class _Order(NamedTuple):
    """The n-grams of one length; a context is the index of an n-gram that is one word shorter."""

    keys: np.ndarray  # int64 [types], sorted: context * base + word
    shares: np.ndarray  # [types], the first term of p
    rests: np.ndarray  # [contexts], g; 1 where nothing follows the context


class KneserNey:
    """A model estimated from a training text; `probabilities` evaluates it on another text."""

    def __init__(self, train: np.ndarray, size: int, end: int, order: int = ORDER):
        """Counts the n-grams of the training text.

        Args:
          train: codes [N], each in [0, size).
          size: V, the size of the vocabulary.
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
            # nothing precedes the start symbol, and alone it is never predicted
            self._add(keys, np.where(begins, raw if n > 1 else 0, after))
            begins = offset[where[first]] == n
            numbers = np.full(len(stream), -1)
            numbers[where] = inverse
            keys, raw = longer, counts

    def _sentences(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The codes with a start symbol (`size`) before each sentence, and each code's position."""
        starts = np.flatnonzero(codes[:-1] == self._end) + 1
        stream = np.insert(codes.astype(np.int64), np.append(0, starts), self._size)
        places = np.arange(len(stream))
        return stream, places - np.maximum.accumulate(np.where(stream == self._size, places, 0))

    def _add(self, keys: np.ndarray, counts: np.ndarray) -> None:
        """Adds the next order: its n-grams and their counts."""
        contexts = keys // self._base
        size = len(self._orders[-1].keys) if self._orders else 1
        discounts = np.array([0, *_discounts(counts)])[np.minimum(counts, 3)]
        totals = np.bincount(contexts, counts, size)
        taken = np.bincount(contexts, discounts, size)
        rests = np.divide(taken, totals, out=np.ones(size), where=totals > 0)
        shares = (counts - discounts) / totals[contexts]
        self._orders.append(_Order(keys, shares, rests))

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """The probability of every word but the first, float64 [N - 1], for codes [N].

        The first code is the end of the previous sentence; contexts do not cross sentences.
        """
        stream, offset = self._sentences(codes[1:])
        _, shares, rests = self._orders[0]
        p = shares[stream] + rests[0] / self._size
        numbers = stream
        for n, (keys, shares, rests) in enumerate(self._orders[1:], 1):
            where = np.flatnonzero(offset >= n)
            where = where[numbers[where - 1] >= 0]  # whose context occurs in the training text
            contexts = numbers[where - 1]
            wanted = contexts * self._base + stream[where]
            found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            known = keys[found] == wanted
            p[where] = rests[contexts] * p[where] + np.where(known, shares[found], 0)
            numbers = np.full(len(stream), -1)
            numbers[where[known]] = found[known]
        return p[stream != self._size]


def _discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """D(1), D(2) and D(3 or more), from the numbers of n-grams with counts 1, 2, 3 and 4."""
    one, two, three, four = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not (one and two and three and four):
        return _DISCOUNTS
    y = one / (one + 2 * two)
    found = 1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three
    return tuple(np.clip(found, 0, (1, 2, 3)))

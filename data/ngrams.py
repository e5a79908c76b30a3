"""Unigram and bigram baselines, in nats per symbol.

Estimated from the training part with add-one (Laplace) smoothing, evaluated on the test part.
"""

import numpy as np

from data.text import PIECE, Text, pieces

DENSE = 2**20  # pairs of symbols of which all are counted in one table


def unigram_nats(text: Text) -> float:
    """The mean of -ln p(x) over all symbols of the test part but the first."""
    counts = _counts(text.train, len(text.symbols)) + 1
    return float(-np.log(counts / counts.sum())[text.test[1:]].mean())


def bigram_nats(text: Text) -> float:
    """The mean of -ln p(x_t | x_{t-1}) over the same symbols."""
    size = len(text.symbols)
    found = _counts_of_pairs(text.train, text.test, size) + 1
    totals = _counts(text.train[:-1], size) + size
    return float(-np.log(found / totals[text.test[:-1]]).mean())


def _counts(codes: np.ndarray, size: int) -> np.ndarray:
    """How often each code occurs, [size]."""
    return sum((np.bincount(piece, minlength=size) for piece in pieces(codes)), np.zeros(size, int))


def _counts_of_pairs(train: np.ndarray, test: np.ndarray, size: int) -> np.ndarray:
    """How often each pair of adjacent codes of the test part occurs in the training part."""
    wanted = _pairs(test, size)
    if size**2 <= DENSE:
        starts = range(0, len(train) - 1, PIECE)
        counts = (np.bincount(_pairs(train[start : start + PIECE + 1], size), minlength=size**2)
                  for start in starts)  # fmt: skip
        return sum(counts, np.zeros(size**2, int))[wanted]
    # Only pairs that occur are counted; a full table could have billions of entries.
    pairs, counts = np.unique(_pairs(train, size), return_counts=True)
    places = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    return np.where(pairs[places] == wanted, counts[places], 0)


def _pairs(codes: np.ndarray, size: int) -> np.ndarray:
    """Each pair of adjacent codes as a single number."""
    return codes[:-1].astype(np.int64) * size + codes[1:]

"""Unigram and bigram baselines, in nats per symbol.

Estimated from the training part with add-one (Laplace) smoothing, evaluated on the test part.
"""

import numpy as np

from data.text import Text


def unigram_nats(text: Text) -> float:
    """The mean of -ln p(x) over all symbols of the test part but the first."""
    counts = np.bincount(text.train, minlength=len(text.symbols)) + 1
    return float(-np.log(counts / counts.sum())[text.test[1:]].mean())


def bigram_nats(text: Text) -> float:
    """The mean of -ln p(x_t | x_{t-1}) over the same symbols."""
    size = len(text.symbols)
    # Only pairs that occur are counted; a full table could have billions of entries.
    pairs, counts = np.unique(_pairs(text.train, size), return_counts=True)
    wanted = _pairs(text.test, size)
    places = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    found = np.where(pairs[places] == wanted, counts[places], 0) + 1
    totals = np.bincount(text.train[:-1], minlength=size) + size
    return float(-np.log(found / totals[text.test[:-1]]).mean())


def _pairs(codes: np.ndarray, size: int) -> np.ndarray:
    """Each pair of adjacent codes as a single number."""
    return codes[:-1].astype(np.int64) * size + codes[1:]

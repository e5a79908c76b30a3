"""What symbols are worth without a net: the nats per symbol of counted frequencies.

Counts are of the training part, one added to each (Laplace); the figures are of the test part.
"""

import numpy as np

from data.text import Text


def unigram_nats(text: Text) -> float:
    """-ln p(x), the mean over the test part's symbols but the first."""
    counts = np.bincount(text.train, minlength=len(text.symbols)) + 1
    return float(-np.log(counts / counts.sum())[text.test[1:]].mean())


def bigram_nats(text: Text) -> float:
    """-ln p(x_t | x_{t-1}), the mean over the same symbols."""
    size = len(text.symbols)
    # Only the pairs that occur: of all there might be billions.
    pairs, counts = np.unique(_pairs(text.train, size), return_counts=True)
    wanted = _pairs(text.test, size)
    places = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    found = np.where(pairs[places] == wanted, counts[places], 0) + 1
    totals = np.bincount(text.train[:-1], minlength=size) + size
    return float(-np.log(found / totals[text.test[:-1]]).mean())


def _pairs(codes: np.ndarray, size: int) -> np.ndarray:
    """Each code with the one after it, as one number."""
    return codes[:-1].astype(np.int64) * size + codes[1:]

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
    pairs = np.bincount(text.train[:-1] * size + text.train[1:], minlength=size * size)
    counts = pairs.reshape(size, size) + 1
    nats = -np.log(counts / counts.sum(1, keepdims=True))
    return float(nats[text.test[:-1], text.test[1:]].mean())

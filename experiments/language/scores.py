"""The surprisal -ln p of the words of a text: by a net, by 5-grams, and by a mixture of the two.

Surprisals are in nats. They are those of every word of a part but its first, which is the <eos>
before it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from data.kneser_ney import KneserNey
from data.ngrams import unigram_nats
from data.text import Text
from data.words import END


class Surprisals(NamedTuple):
    """The surprisal of each word of a part by two models, float64 [N] each."""

    net: np.ndarray
    ngrams: np.ndarray

    def mixture(self, weight: float) -> np.ndarray:
        """The surprisal of each word by `weight` p_net + (1 - weight) p_ngrams."""
        with np.errstate(divide="ignore"):  # a weight of 0 or 1
            net, ngrams = np.log(weight) - self.net, np.log1p(-weight) - self.ngrams
        return -np.logaddexp(net, ngrams)


def perplexity(nats) -> float:
    """exp of the mean surprisal."""
    return float(np.exp(np.mean(nats)))


def kneser_ney(text: Text, parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The surprisal of each word of each part, by a 5-gram model of the training part."""
    model = KneserNey(text.train, len(text.symbols), text.symbols.index(END))
    return {name: -np.log(model.probabilities(part)) for name, part in parts.items()}


def unigram_perplexity(text: Text) -> float:
    """The test perplexity of a unigram model of the training part."""
    return perplexity(unigram_nats(text))


def best_weight(surprisals: Surprisals) -> float:
    """The weight of the net that minimises the perplexity of the mixture."""
    found = minimize_scalar(
        lambda weight: surprisals.mixture(weight).mean(), bounds=(0, 1), method="bounded"
    )
    return float(found.x)


def positions(codes: np.ndarray, end: int) -> np.ndarray:
    """The position in its sentence, from 1, of each word but the first: codes [N] to [N - 1]."""
    index = np.arange(len(codes))
    last_end = np.maximum.accumulate(np.where(codes == end, index, 0))
    return index[1:] - last_end[:-1]

"""What the words of a text cost: by a net, by 5-grams, and by a mixture of the two.

A cost is a surprise -ln p in nats. Every figure is of the words of a part but its first, which is
the <eos> before them.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from data.kneser_ney import KneserNey
from data.ngrams import unigram_nats
from data.text import Text
from data.words import END


class Costs(NamedTuple):
    """The surprise of each word of a part, float64 [N] each."""

    net: np.ndarray
    ngrams: np.ndarray

    def mixed(self, weight: float) -> np.ndarray:
        """By the mixture `weight` p_net + (1 - weight) p_ngrams."""
        with np.errstate(divide="ignore"):  # a weight of 0 or 1
            net, ngrams = np.log(weight) - self.net, np.log1p(-weight) - self.ngrams
        return -np.logaddexp(net, ngrams)


def perplexity(nats) -> float:
    """exp of the mean surprise."""
    return float(np.exp(np.mean(nats)))


def kneser_ney_nats(text: Text, *parts: np.ndarray) -> list[np.ndarray]:
    """The surprise of each word of each part, by the 5-gram model of the training part."""
    model = KneserNey(text.train, len(text.symbols), text.symbols.index(END))
    return [-np.log(model.probabilities(part)) for part in parts]


def unigram(text: Text) -> float:
    """The test perplexity of counted words."""
    return perplexity(unigram_nats(text))


def best_weight(costs: Costs) -> float:
    """The weight of the net with which the mixture's perplexity is smallest."""
    found = minimize_scalar(lambda w: costs.mixed(w).mean(), bounds=(0, 1), method="bounded")
    return float(found.x)


def places(codes: np.ndarray, end: int) -> np.ndarray:
    """The place in its sentence, from 1, of each word but the first; [N - 1] of codes [N]."""
    index = np.arange(len(codes))
    last_end = np.maximum.accumulate(np.where(codes == end, index, 0))
    return index[1:] - last_end[:-1]

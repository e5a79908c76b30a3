"""How a tagger is evaluated: every copy of every net of a run on a part of its data."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from data.sentences import Coding, Corpus, Sentences
from experiments.tagging.data import Data
from experiments.tagging.net import NET, Labeller, of_fold
from experiments.tagging.scores import HEADLINE, Said, figures, make_predict, mean, say, scoring_of
from experiments.training.best import Best
from experiments.training.loop import Programs

Copy = tuple[str, int]  # a net's name, and its place among the folds of the run


class Evaluation:
    """A run's nets with the data that they are evaluated on.

    Args:
      config: the run's options.
      corpus, coding, data: the sentences, the numbers of their words, and their batches.
      nets: by name.
      vectors: [V, D], the given ones that stay frozen, or None.
    """

    def __init__(
        self, config, corpus: Corpus, coding: Coding, data: Data, nets: Mapping[str, Labeller],
        vectors: jax.Array | None,
    ):  # fmt: skip
        self.config, self.corpus, self.coding, self.data = config, corpus, coding, data
        self.nets, self.vectors = nets, vectors
        self.scoring, self.programs = scoring_of(config, corpus), Programs()
        self._predict = make_predict(nets, self.programs)

    def predictions(self, params, part) -> dict[Copy, Said]:
        """What every copy predicts for a part of `data`; `params` are stacked over the folds."""
        by_net = say(self._predict, params, self.vectors, self.data, part)
        return {
            (name, place): one
            for name, copies in by_net.items()
            for place, one in enumerate(copies)
        }

    def figures(
        self, predictions: Mapping[Copy, Said], part: Sentences, rows_of=lambda place: None
    ) -> dict[Copy, dict[str, float]]:
        """The figures of every copy, on the sentences `rows_of(place)`; None: on all of them."""
        labels = self.coding.labels
        return {
            (name, place): figures(self.scoring, part.labels, one, labels, rows_of(place))
            for (name, place), one in predictions.items()
        }

    def means(self, figures_of: Mapping[Copy, dict[str, float]]) -> dict[str, float]:
        """The mean over the copies of each figure of each net."""
        return {
            prefix(self.config, name) + figure: value
            for name in self.nets
            for figure, value in mean(
                [row for (net, _), row in figures_of.items() if net == name]
            ).items()
        }

    def test_rows(self, place: int) -> np.ndarray | None:
        """Which sentences of the test part a copy is tested on; None: all of them."""
        folds = self.corpus.folds
        return None if folds is None else np.flatnonzero(folds == self.config.fold + place)

    def offer(self, bests: Mapping[Copy, Best], step: int, params) -> dict[str, float]:
        """Evaluates on the validation part, and offers each copy's parameters to its best."""
        predictions = self.predictions(params, self.data.valid)
        each = self.figures(predictions, self.corpus.valid)
        for (name, place), row in each.items():
            own = of_fold(params[name], place)
            bests[name, place].offer(step, row[HEADLINE[self.scoring]], own)
        return self.means(each)


def best_of(bests: Mapping[Copy, Best], params) -> dict[Copy, tuple[int, Any]]:
    """The step and the parameters that each copy did best with; `params` are of the same sizes."""
    return {copy: best.load(of_fold(params[copy[0]], 0)) for copy, best in bests.items()}


def stacked(chosen: Mapping[Copy, tuple[int, Any]]) -> dict[str, Any]:
    """The chosen parameters by net, stacked over the folds."""
    copies = {}
    for (name, _), (_, params) in chosen.items():
        copies.setdefault(name, []).append(params)
    return {name: jax.tree.map(lambda *leaves: np.stack(leaves), *c) for name, c in copies.items()}


def prefix(config, name: str) -> str:
    """What the second net's figures begin with."""
    return "" if name == NET else f"{config.beside}_"

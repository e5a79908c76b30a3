"""How a tagger is evaluated: every copy of every net of a run on a part of its data."""

import functools
from collections.abc import Mapping

import jax
import numpy as np

from data.sentences import Coding, Corpus, Sentences
from experiments.runtime.mesh import local_copy, on_first_device, on_host
from experiments.tagging.data import Data
from experiments.tagging.net import NET, Labeller, select_copy
from experiments.tagging.scores import (
    HEADLINE,
    Predictions,
    make_predict,
    mean,
    predict_part,
    score,
    scoring_of,
)
from experiments.training.kept import Candidate, Net
from experiments.training.loop import TrainState

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
        self.scoring, self._predict = scoring_of(config, corpus), make_predict(nets)

    def predictions(self, params, part, watch) -> dict[Copy, Predictions]:
        """What every copy predicts for a part of `data`; `params` are stacked over the folds."""
        by_net = predict_part(self._predict, params, self.vectors, self.data, part, watch)
        # In the order of `self.nets`: JAX sorts what a compiled function returns.
        return {(n, place): one for n in self.nets for place, one in enumerate(by_net[n])}

    def figures(
        self, predictions: Mapping[Copy, Predictions], part: Sentences, rows_of=lambda place: None
    ) -> dict[Copy, dict[str, float]]:
        """The figures of every copy, on the sentences `rows_of(place)`; None: on all of them."""
        labels = self.coding.labels
        return {
            (name, place): score(self.scoring, part.labels, one, labels, rows_of(place))
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

    def validate(self, state: TrainState, watch) -> dict[str, dict[str, float]]:
        """The figures of the validation part, means over the copies; see `training.run`."""
        predictions = self.predictions(local_copy(state.params), self.data.valid, watch)
        self._validated = self.figures(predictions, self.corpus.valid)
        return {"valid": self.means(self._validated)}

    def offer(self, state: TrainState, splits) -> dict[str, Candidate]:
        """Each copy, by its figures of the latest `validate`; ties go by the loss."""

        params = functools.cache(lambda: on_host(state.params))

        def candidate(copy: Copy, row: dict[str, float]) -> Candidate:
            name, place = copy
            figures = {prefix(self.config, name) + figure: x for figure, x in row.items()}
            return Candidate(
                (row[HEADLINE[self.scoring]], -row["nats"]), {"valid": figures},
                lambda: Net(int(state.step), select_copy(params()[name], place), {}),
            )  # fmt: skip

        return {self._key(copy): candidate(copy, row) for copy, row in self._validated.items()}

    def test(self, nets: Mapping[str, Net], watch) -> dict[str, dict[str, float]]:
        """The figures of the kept copies on the test part, means over them."""
        copies = {}
        for (name, _), net in self.kept(nets).items():
            copies.setdefault(name, []).append(net.params)
        params = {
            name: jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
            for name, trees in copies.items()
        }
        self.tested = self.predictions(on_first_device(params), self.data.test, watch)
        return {"test": self.means(self.figures(self.tested, self.corpus.test, self.test_rows))}

    def kept(self, nets: Mapping[str, Net]) -> dict[Copy, Net]:
        """The copies that a run keeps, by net and place."""
        places = ((name, place) for name in self.nets for place in range(self.config.folds))
        return {copy: nets[self._key(copy)] for copy in places}

    def _key(self, copy: Copy) -> str:
        name, place = copy
        return f"{name}-{self.config.fold + place}"


def prefix(config, name: str) -> str:
    """What the second net's figures begin with."""
    return "" if name == NET else f"{config.beside}_"

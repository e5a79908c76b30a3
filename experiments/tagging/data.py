"""The tagger's sentences as batches for the device, by bucket."""

from collections.abc import Iterator

import numpy as np

from data.buckets import Buckets, bucket_shapes, covering
from data.sentences import Coded, Coding, Corpus, coded
from experiments.runtime.mesh import block_of_batches, own_rows
from experiments.tagging.net import Batch


class Data:
    """A corpus as numbers, and its batches.

    Where there are folds, the training part is read by all of them, and each leaves out in its
    loss what it is tested on (`Batch.folds`).
    """

    def __init__(self, config, corpus: Corpus, coding: Coding, mesh):
        self._config, self._mesh, self._whole = config, mesh, corpus.whole
        self.train = coded(corpus.train, coding)
        self.valid = coded(corpus.valid, coding)
        self.test = self.train if corpus.test is corpus.train else coded(corpus.test, coding)
        self.folds = corpus.folds
        parts = (self.train, self.valid, self.test)
        self.shapes = bucket_shapes(np.concatenate([part.lengths for part in parts]))
        self.buckets = Buckets(self.train.lengths, self.shapes, config.batch_size, config.seed,
                               multiple=mesh.size)  # fmt: skip
        labels = self.train.labels.lengths.sum()
        self.labels_in_a_step = float(labels / self.buckets.steps_in_a_pass)

    def block(self, first: int, count: int) -> Batch:
        """What the steps from `first` on read, [steps_per_call, B, ...], on the device."""
        bucket, rows = self.buckets.rows(first, count)
        rows = rows[:, own_rows(rows.shape[1])]
        batch = self._batch(self.train, rows, self.shapes[bucket, 0], self.folds)
        return block_of_batches(self._mesh, batch, self._config.steps_per_call)

    def cuts(self, part: Coded) -> Iterator[tuple[np.ndarray, int, Batch]]:
        """(rows [B], count, Batch): every sentence of a part once, the first `count` rows."""
        for bucket, rows, count in covering(part.lengths, self.shapes, self._config.batch_size):
            yield rows, count, self._batch(part, rows, self.shapes[bucket, 0], None)

    def _batch(self, part: Coded, rows: np.ndarray, length: int, folds) -> Batch:
        words, mask = part.words.padded(rows, length)
        return Batch(
            words, mask,
            part.labels.padded(rows, 1 if self._whole else length)[0],
            np.full(rows.shape, -1) if folds is None else folds[rows],
            part.letters.padded(rows, length)[0] if self._config.letter_hidden else None,
            part.features.padded(rows, length)[0] if self._config.feature_column else None,
        )  # fmt: skip

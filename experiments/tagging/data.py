"""The sentences of a tagger: read, encoded as numbers, and batched by length."""

import hashlib
from collections.abc import Iterator

import numpy as np

from data import mpqa, sentences, tagged_corpora
from data.buckets import Buckets, bucket_shapes, covering
from data.errors import UserError
from data.sentences import Coded, Coding, Corpus, coded
from data.word_vectors import read_vectors
from experiments.runtime.mesh import block_of_batches, own_rows
from experiments.tagging.net import Batch


class Data:
    """An encoded corpus and its batches.

    In cross-validation all folds read the same batches of the training part, and the loss of each
    leaves out the sentences that it is tested on (`Batch.folds`).
    """

    def __init__(self, config, corpus: Corpus, coding: Coding, mesh):
        self._config, self._mesh, self._whole = config, mesh, corpus.whole
        letters = config.letter_hidden > 0  # otherwise unused
        self.train = coded(corpus.train, coding, letters)
        self.valid = coded(corpus.valid, coding, letters)
        same = corpus.test is corpus.train
        self.test = self.train if same else coded(corpus.test, coding, letters)
        self.folds = corpus.folds
        parts = (self.train, self.valid, self.test)
        self.shapes = bucket_shapes(np.concatenate([part.lengths for part in parts]))
        self.buckets = Buckets(self.train.lengths, self.shapes, config.batch_size, config.seed,
                               multiple=mesh.size)  # fmt: skip
        labels = self.train.labels.lengths.sum()
        self.words_in_a_step = float(self.train.lengths.sum() / self.buckets.steps_in_a_pass)
        self.labels_in_a_step = float(labels / self.buckets.steps_in_a_pass)

    def block(self, first: int, count: int) -> Batch:
        """The batches of `count` steps from `first`, [steps_per_call, B, ...], on the device."""
        bucket, rows = self.buckets.rows(first, count)
        rows = rows[:, own_rows(rows.shape[1])]
        batch = self._batch(self.train, rows, self.shapes[bucket, 0], self.folds)
        return block_of_batches(self._mesh, batch, self._config.steps_per_call)

    def cover(self, part: Coded) -> list[tuple[int, np.ndarray, int]]:
        """`data.buckets.covering` of a part."""
        return list(covering(part.lengths, self.shapes, self._config.batch_size))

    def batches(self, part: Coded, cover=None) -> Iterator[tuple[np.ndarray, int, Batch]]:
        """(rows [B], count, Batch) covering a part once; the first `count` rows are real."""
        for bucket, rows, count in self.cover(part) if cover is None else cover:
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


def given_vectors(config) -> tuple[list[str], np.ndarray | None]:
    """The words and vectors of the file `--vectors`; no words and None without one."""
    if config.vectors:
        return read_vectors(config.vectors)
    if not (config.embedding or config.letter_hidden):
        raise UserError(
            "The words have no vectors: give --vectors=FILE (./launch.sh tagger vectors makes "
            "one), or --embedding=50 to learn them."
        )
    return [], None


def vector_table(coding: Coding, words: list[str], vectors: np.ndarray) -> np.ndarray:
    """The pretrained vectors by word number, 0 for words without one: float32 [V, D]."""
    number = {word: n for n, word in enumerate(words)}
    table = np.zeros((len(coding.words) + 1, vectors.shape[1]), np.float32)
    for code, word in enumerate(coding.words, 1):
        if word in number:
            table[code] = vectors[number[word]]
    return table


def coded_corpus(config) -> tuple[Corpus, Coding, np.ndarray | None]:
    """The corpus, its coding, and the pretrained vectors by word number; raises UserError."""
    corpus = tagged_corpora.load(
        config.dataset, form=config.file_format, token=config.token_column,
        label=config.label_column, feature=config.feature_column, seed=config.seed,
        data_dir=config.data_dir, raw_dir=config.raw_dir,
    )  # fmt: skip
    sentences.check(corpus, config.dataset)
    most = mpqa.FOLDS if corpus.folds is not None else 1
    if config.fold + config.folds > most:
        raise UserError(
            f"--fold={config.fold} --folds={config.folds}: {config.dataset} has {most} "
            f"fold{'s' if most > 1 else ''}, from 0; lower one of the two."
        )
    if unseen := sentences.unseen_labels(corpus):
        print(f"labels that do not occur in the training part: {', '.join(unseen)}", flush=True)
    known, vectors = given_vectors(config)
    coding = sentences.coding_of(
        corpus, lowercase=config.lowercase, least=config.least_count, longest=config.longest_word,
        digits=config.digits, known=known,
    )  # fmt: skip
    if vectors is None:
        return corpus, coding, None
    count = len(set(known) & set(coding.words))
    if not count:
        raise UserError(
            f"--vectors={config.vectors} has no vector for any of the {len(coding.words):,} words "
            f"of {config.dataset}; give vectors of the same language and case (--lowercase)."
        )
    print(f"{count:,} of {len(coding.words):,} words have a pretrained vector", flush=True)
    return corpus, coding, vector_table(coding, known, vectors)


def facts_of(coding: Coding, table: np.ndarray | None) -> dict[str, str]:
    """What determines a run's figures besides its options."""
    return coding.facts() | ({} if table is None else {"vectors": sha(table)})


def sha(content) -> str:
    """A short SHA-256 of bytes or an array."""
    return hashlib.sha256(content).hexdigest()[:16]
